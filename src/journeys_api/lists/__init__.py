"""Lists of subscribers."""
