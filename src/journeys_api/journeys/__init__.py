"""Journeys and their action trees."""
