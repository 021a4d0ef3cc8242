"""Physical backups and archived WAL, and recovery from them to a point in time."""
