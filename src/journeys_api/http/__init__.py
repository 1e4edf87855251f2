"""The doors: bytes to calls and outcomes to bytes. No domain rules."""
