"""A gateway that sends nothing and writes down what it would have sent."""

import asyncio
import os
from pathlib import Path

import orjson
import structlog

from journeys_api.clock import Clock, SystemClock
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.sms.messages import Sms
from journeys_api.delivery.sms.parts import parts

log = structlog.get_logger()


class LogGateway:
    """Appends each message to a file of JSON lines that only its owner may read; for trying things out.

    Args:
        path: made on first use, its folder too.
        clock: dates the lines.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()

    async def send(self, message: Sms) -> Outcome:
        """Write the message down; deferred if the file cannot be written."""
        counted = parts(message.text)
        line = orjson.dumps(
            {
                "At": self._clock.now(),
                "To": message.to,
                "From": message.sender,
                "Message": message.text,
                "Encoding": counted.encoding,
                "Parts": counted.count,
                "Reference": message.reference,
            },
            option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS,
        )
        try:
            await asyncio.to_thread(self._append, line)
        except OSError:
            return Outcome(Ending.DEFERRED, "log_not_writable")
        log.info("sms_logged", reference=message.reference, encoding=counted.encoding, parts=counted.count)
        return Outcome(Ending.ACCEPTED, reference=message.reference)

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # one write to a file opened for appending: lines of several workers do not mix
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)
