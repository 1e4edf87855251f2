"""Numbers: rollups to JourneyStats and its relatives. Stands on the models alone, so that anyone may read from it."""
