"""Secrets that the server must be able to say again: sealed where they are stored, opened where they are used."""
