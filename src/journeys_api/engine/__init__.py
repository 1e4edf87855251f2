"""The engine: events become enrollments, enrollments take steps. Set by set, each batch one transaction."""
