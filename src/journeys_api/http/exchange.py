"""One request and its answer: what has become known of them, and the line of the log that tells it."""

import itertools
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from starlette.types import Scope

from journeys_api.commands.call import Principal
from journeys_api.http.envelopes import Answer, Door
from journeys_api.http.parameters import header

log = structlog.get_logger()

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_THIS_PROCESS = secrets.token_hex(6)
_numbers = itertools.count(1)


@dataclass(slots=True)
class Exchange:
    """A request, as far as it has been read, and how it will be answered."""

    scope: Scope
    door: Door
    request_id: str
    """By which whoever asks about an answer finds its line: both have it."""
    client_address: str
    command: str = "-"
    principal: Principal | None = None
    """None: no valid credential has been seen."""
    as_xml: bool = False
    is_last: bool = False
    """Whether the connection is closed behind the answer."""
    quota_headers: Sequence[tuple[bytes, bytes]] = ()
    """What the answer says of the rate limit, however the call ends; a refusal by the limit says it itself."""
    began: float = field(default_factory=time.perf_counter)
    """When the whole request was there; reading it takes as long as the client likes."""

    def tell(self, answer: Answer) -> tuple[str, float]:
        """Write the line; the outcome and the seconds that it names."""
        seconds = time.perf_counter() - self.began
        code = _code_of(answer)
        outcome = "succeeded" if code is None else "refused" if answer.status < 500 else "failed"
        principal = self.principal
        log.info(
            "call_answered",
            door=self.door.value,
            command=self.command,
            status=answer.status,
            outcome=outcome,
            code=code,
            caller="-" if principal is None else principal.kind,
            account_id=0 if principal is None else principal.user_id or principal.administrator_id,
            client=self.client_address,
            milliseconds=round(seconds * 1000, 2),
            request_id=self.request_id,
        )
        return outcome, seconds


def begun(scope: Scope, door: Door) -> Exchange:
    """A request of which only the head is there. Its own `X-Request-ID` is kept if it is short and plain."""
    request_id = header(scope, b"x-request-id")
    if request_id is None or _PLAIN_ID.fullmatch(request_id) is None:
        request_id = f"{_THIS_PROCESS}{next(_numbers):x}"
    client = scope.get("client")
    return Exchange(scope, door, request_id, client[0] if client else "")


def _code_of(answer: Answer) -> int | None:
    """The first code of a refusal, whatever its envelope; None: it is none."""
    codes = answer.body.get("ErrorCode") or answer.body.get("Errors")
    if not codes:
        return None
    first = codes[0] if isinstance(codes, list) else codes
    return int(first["Code"] if isinstance(first, dict) else first)
