"""What is dangerous in a file, or does nothing: found without running anything of it."""
