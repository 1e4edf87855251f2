"""Imports: many subscribers at once, from the text of a file to people on a list."""
