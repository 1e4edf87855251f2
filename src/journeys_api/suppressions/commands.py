"""The commands of suppressions (AC 2.11)."""
