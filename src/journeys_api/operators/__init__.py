"""What those who run the server see of the queue: counts, entries, places."""
