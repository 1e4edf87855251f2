"""The doors of what comes back: links of messages and their pages, browsers, mail servers and providers."""
