"""Who may call: users, groups, permissions, administrators, sessions and API keys."""
