"""The people on the lists."""
