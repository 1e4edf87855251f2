"""The queue of the engine's tests."""

from tests.engine.conftest import audience, work

__all__ = ["audience", "work"]
