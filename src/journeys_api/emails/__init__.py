"""Email contents, sender domains, SMS gateways."""
