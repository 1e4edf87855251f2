"""The commands of subscribers (AC 2.5, 2.6)."""
