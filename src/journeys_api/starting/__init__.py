"""What a process sees to before its work: a database, the secrets that belong to it, the first rows, its memory."""
