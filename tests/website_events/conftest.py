"""The worker, the list and the email of the engine's tests."""

from tests.engine.conftest import address, audience, email_id, work

__all__ = ["address", "audience", "email_id", "work"]
