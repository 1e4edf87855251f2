"""What comes back from the world by signed links."""
