"""Jobs: the ground that work which outlives its call stands on; knows no kind of work."""
