"""PostgreSQL's programs: found, and run with a deadline."""
