"""What comes back from the world: visits of links, browsers' reports, what mail servers and providers tell."""
