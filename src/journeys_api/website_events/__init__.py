"""Website events: what visitors did, who they are, and which journeys that starts."""
