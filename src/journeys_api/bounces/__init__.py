"""Mails that come back: whose they are, how bad it is, and what follows."""
