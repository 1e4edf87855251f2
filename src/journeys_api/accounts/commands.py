"""The commands of accounts: users, groups, administrators, sessions and API keys (AC 2.1-2.3)."""
