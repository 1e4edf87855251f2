"""A short message, and what takes it."""

from dataclasses import dataclass, field
from typing import Protocol

from journeys_api.delivery.outcomes import Outcome


@dataclass(frozen=True)
class Sms:
    """A message as it is handed to a gateway.

    Args:
        to: a number in E.164, as `phone_numbers.normalise` answers it.
        sender: a number or a name that the gateway knows; empty where it has its own.
        text: rendered.
        reference: our own id of the delivery, the same in every attempt.
    """

    to: str = field(repr=False)
    sender: str = field(repr=False)
    text: str = field(repr=False)
    reference: str


class Gateway(Protocol):
    """Hands messages over to whatever carries them on."""

    async def send(self, message: Sms) -> Outcome:
        """Make one attempt; every way it can end is an `Outcome`, never an exception.

        An attempt that may have reached the other side is `UNKNOWN` and must not be repeated: a person would get
        the message twice, and somebody pays for each (F29).
        """
