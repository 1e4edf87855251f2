"""Exports: what an account has, as a file to take away."""
