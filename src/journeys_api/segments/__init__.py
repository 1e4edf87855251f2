"""Segments: named criteria over the subscribers of a list."""
