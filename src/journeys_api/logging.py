"""One log on stderr: JSON lines, or colours for a terminal; ours and every library's through the same processors.

No secret passes: what a key calls secret is replaced, and so is what follows such a name inside a text.
"""

import asyncio
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_plus

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED: Final = "[redacted]"

SECRET_NAMES = re.compile(
    r"apikey|adminkey|sessionid|password|passwd|passphrase|secret|authorization|credential|cookie|pepper|token$"
)
"""What a name contains, in lower case and without punctuation, if its value is nobody's business."""

SEPARATORS = re.compile(r"[=:,%]")
"""Without one of these no name and value stand in a text; far quicker to see than the hints."""

HINTS = re.compile(r"key|sess|pass|secret|auth|cred|cookie|pepper|token|://|%", re.IGNORECASE)
"""A text without any of these needs no closer look; most have none."""

URL_PASSWORD = re.compile(r"(?P<start>(?<![a-zA-Z0-9+.\-])[a-zA-Z][a-zA-Z0-9+.\-]*://[^\s:/@]*):(?P<password>[^\s/]+)@")

# What stands between a name and its value: `=` or `:`, percent-encoded once or twice too, with the quotes and
# backslashes of JSON and reprs about them; or the comma of a pair of quoted texts.
BETWEEN = re.compile(
    r"(?P<encoded>%(?:25)*3[DdAa])"
    r"|(?:[\\\"']*\s*[=:]|[\"']\s*,)\s*(?:b?(?P<escaped>\\*)(?P<quote>[\"']))?"
)
NAME_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_%[].+-"
LONGEST_NAME = 100
VALUE = re.compile(r"(?:(?:bearer|basic|digest)\s+)?[^\s&\"',;}\])\\]+", re.IGNORECASE)
ENCODED_VALUE = re.compile(r"(?:(?!%(?:25)*26)[^\s&\"',;}\])\\])+", re.IGNORECASE)
COOKIES = re.compile(r"[^\r\n\"']+")
ESCAPED_VALUE = re.compile(r"[^\\\"']*")
QUOTED_VALUE: Final = {quote: re.compile(rf"(?:\\.|[^\\{quote}])*", re.DOTALL) for quote in "\"'"}
DEEPEST = 8


def configure_logging(level: str) -> None:
    """Send every log, ours and the libraries', to stderr from `level` on; may be called again."""
    on_a_terminal = sys.stderr.isatty()
    last: list[Processor]
    if on_a_terminal:
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        last = [stamp, _escape_controls, structlog.dev.ConsoleRenderer(colors=True)]
    else:
        last = [_add_timestamp, _to_json]
    # every call of the API writes a line: what is added after the secrets were looked for has none
    shared: list[Processor] = [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact_event,
        structlog.processors.add_log_level,
    ]
    severity = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_LINES)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_name_the_library, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(severity)
    for name in ("uvicorn", "uvicorn.error", "alembic", "asyncio", "sqlalchemy", "httpx", "httpcore", "asyncpg"):
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True
        # Below warnings these tell of single statements and requests, with their URLs.
        library.setLevel(severity if name.startswith(("uvicorn", "alembic")) else max(severity, logging.WARNING))
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    access = logging.getLogger("uvicorn.access")
    access.handlers = []
    access.propagate = False


def keep_loggers() -> None:
    """Look up only once how a module logs, as the configuration is final: each line would pay for it anew."""
    structlog.configure(cache_logger_on_first_use=True)


_PLAIN = (int, float, bool, type(None))


def redact_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The processor that takes secrets out of an event's fields and texts."""
    for key, value in event.items():
        if type(value) in _PLAIN:
            continue
        if _is_secret_name(key):
            event[key] = REDACTED
        elif type(value) is not str or SEPARATORS.search(value):
            event[key] = redact(value)
    return event


def redact(value: object, depth: int = 0) -> Any:
    """The value without its secrets: texts, and dicts and lists all the way down; other objects become their repr."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {
            redact_text(str(key)): REDACTED if _is_secret(str(key), item) else redact(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth + 1) for item in value]
    if isinstance(value, bytes | bytearray):
        return redact_text(bytes(value).decode(errors="backslashreplace"))
    return redact_text(str(value) if isinstance(value, BaseException) else repr(value))


def redact_text(text: str) -> str:
    """The text without the passwords of URLs, and without what follows a secret's name and `=` or `:`."""
    if not SEPARATORS.search(text) or not HINTS.search(text):
        return text
    text = URL_PASSWORD.sub(rf"\g<start>:{REDACTED}@", text)
    pieces: list[str] = []
    position = 0
    for between in BETWEEN.finditer(text):
        if between.start() < position:
            continue
        before = text[max(position, between.start() - LONGEST_NAME) : between.start()]
        name = before[len(before.rstrip(NAME_LETTERS)) :]
        if name and _is_secret_name(name):
            end = _end_of_value(text, between, is_cookie=name.lower().endswith("cookie"))
            if end > between.end():
                pieces += [text[position : between.end()], REDACTED]
                position = end
    return "".join([*pieces, text[position:]])


def _end_of_value(text: str, between: re.Match[str], *, is_cookie: bool) -> int:
    if between["encoded"]:
        value = ENCODED_VALUE
    elif between["escaped"]:
        value = ESCAPED_VALUE
    elif between["quote"]:
        value = QUOTED_VALUE[between["quote"]]
    else:
        value = COOKIES if is_cookie else VALUE
    found = value.match(text, between.end())
    return found.end() if found else between.end()


@lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    """Compared percent-decoded (twice: a URL within a URL), in lower case, letters and digits only."""
    if "%" in name:
        name = unquote_plus(unquote_plus(name))
    return SECRET_NAMES.search("".join(character for character in name.lower() if character.isalnum())) is not None


def _is_secret(key: str, value: object) -> bool:
    """Whether this field is withheld; numbers and truth values under such a name (`api_key_id`) are no secrets."""
    if value is None or isinstance(value, bool | int | float):
        return False
    return _is_secret_name(key)


def _name_the_library(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord | None = event.get("_record")
    if record is not None:
        event["logger"] = record.name
    event.pop("color_message", None)
    return event


LINE_ENDS = re.compile(r"[\x7f-\x9f\u2028\u2029]")
"""What JSON may leave as it is although terminals obey it, or readers of lines break there."""

CONTROLS: Final = {
    code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029] if code not in (0x09, 0x0A)
}


def _add_timestamp(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)
    return event


def _to_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    try:
        line = orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()
    except orjson.JSONEncodeError:
        # Half of a surrogate pair, or an integer beyond 64 bits: whoever sent it shall not keep it out of the log.
        line = json.dumps({**event, "timestamp": event["timestamp"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")}, default=repr)
    if line.isascii() and "\x7f" not in line:
        return line  # as most lines are, and seen much sooner than by a search
    return LINE_ENDS.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _escape_controls(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keep a caller's text from steering the terminal; only a traceback has lines of its own."""
    for key, value in event.items():
        if isinstance(value, str):
            value = value.translate(CONTROLS)
            event[key] = value if key in ("exception", "stack") else value.replace("\n", "\\x0a")
    return event


WAIT_SECONDS = 0.01
"""How long a line that only informs may wait for others to be written with; who is killed meanwhile has not said it."""


class _Lines:
    """The way of all lines to `sys.stderr`, as that is at the moment of writing; one that is gone stops nobody's work.

    A write costs as much as a tenth of a call of the API. While they are gathered, lines that only inform therefore
    share one; every other line goes out at once, after those that wait.
    """

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """Which comes back for them; None: nothing is gathered."""
        self._thread = 0
        # entered again when the garbage collector comes by in the middle and has something to say
        self._lock = threading.RLock()

    def write(self, text: str) -> None:
        """Write what waits, and this."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            if waiting or text:
                self._put("".join([*waiting, text]))

    def write_soon(self, line: str) -> None:
        """Write this with others in a moment, if lines are gathered here; otherwise at once."""
        loop = self._loop
        if loop is None or not loop.is_running() or threading.get_ident() != self._thread:
            self.write(line)
            return
        with self._lock:
            self._waiting.append(line)
            is_first = len(self._waiting) == 1
        if is_first:
            loop.call_later(WAIT_SECONDS, self.flush)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Gather the lines of the running event loop; the first to ask has its wish."""
        if self._loop is not None:
            yield
            return
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        try:
            yield
        finally:
            self._loop = None
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self.write("")

    @staticmethod
    def _put(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            return


_LINES = _Lines()
gather_lines = _LINES.gathered
"""For a server, which writes a line for every call: within it, lines of the running loop share their writes."""


class _Stderr:
    """Where structlog's own loggers write."""

    def __init__(self, *_: object) -> None:
        pass

    def debug(self, line: str) -> None:
        """A line that only informs."""
        _LINES.write_soon(line + "\n")

    def msg(self, line: str) -> None:
        """A line that somebody should see."""
        _LINES.write(line + "\n")

    info = debug
    warning = error = critical = exception = fatal = log = msg
