"""Custom fields: what subscribers may have values for."""
