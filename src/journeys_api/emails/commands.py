"""The commands of emails, sender domains and SMS gateways (AC 2.8, 2.12, 2.15)."""
