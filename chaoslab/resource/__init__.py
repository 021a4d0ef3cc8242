"""What a machine runs out of: processor time, memory, disk, file descriptors, the right time."""
