"""What can notice damage: each detector looks once and says what it saw, or why it could not look."""
