"""The commands of tags (AC 2.6)."""
