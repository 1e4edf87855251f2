"""One table of commands for both doors, and the readers that turn parameter text into values."""
