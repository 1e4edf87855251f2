"""The commands of journeys (journey-api-documentation)."""
