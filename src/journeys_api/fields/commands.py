"""The commands of custom fields (AC 2.7)."""
