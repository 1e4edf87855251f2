"""The outbox: personalization, mail, webhooks, SMS. The only code that talks to the outside."""
