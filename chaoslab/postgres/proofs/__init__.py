"""What a restored database must do to count as usable, whatever it is compared with."""
