"""What those who run the server see: counts, entries and places of the queue, how much waits, what is stuck and why."""
