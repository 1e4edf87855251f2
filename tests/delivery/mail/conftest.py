"""What tests of sending share."""

import pytest

from tests.delivery.mail.sinks import Sink


@pytest.fixture(params=[(), ("PIPELINING",)], ids=["one by one", "in groups"])
def how_commands_are_taken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server of the test takes commands in one way, then all in the other."""
    monkeypatch.setattr(Sink, "always", request.param)
