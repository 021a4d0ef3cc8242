"""The embedded lab: real PostgreSQL, a small service, a proxy between them, a heartbeat."""
