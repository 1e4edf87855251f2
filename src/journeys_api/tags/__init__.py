"""Tags of a list."""
