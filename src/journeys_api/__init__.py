"""Journeys API: the open server for customer journeys."""

__version__ = "0.1.0"
