"""Visits on disk: what was written while the database did not take it, until it does.

One file a process, held by a lock of the system's: whoever gets the lock may replay the file. A file is replayed in one
transaction that also writes down its name, so it counts once however often that is tried.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.files import sync_directory
from journeys_api.models import ActivityKind
from journeys_api.tracking.hits import Hit, Mark, insert_hits, is_committed, is_first_replay

log = structlog.get_logger()

SUFFIX = ".hits"
LONGEST_FILE = 8 << 20
"""Bytes after which a file is followed by another: what one transaction replays."""
MOST_BYTES = 256 << 20
"""Of all files together: some two million visits."""
AT_A_TIME = 5_000
OLDEST_REPLAYED = timedelta(days=365)
"""A file with an older visit is not brought in by itself: whether it was before may be forgotten by now."""


class SpoolFull(Exception):
    """The spool holds as much as it may."""


class FileTooOld(Exception):
    """Nobody knows any more whether the file was brought in before."""


@dataclass(frozen=True)
class Batch:
    """Visits that came in together."""

    hits: Sequence[Hit]
    mark: Mark | None = None
    """What the insertion is known by whose end nobody knows; None: nothing of it is in the database."""


@dataclass
class Taken:
    """A file of visits that is this process's to replay, while it is open."""

    path: Path
    descriptor: int

    def batches(self) -> list[Batch]:
        """What is in it; a line that a crash cut off was answered to nobody."""
        with os.fdopen(os.dup(self.descriptor), "rb") as file:
            file.seek(0)
            lines = file.read().split(b"\n")
        found: list[Batch] = []
        for line in filter(None, lines):
            try:
                found.append(_batch(orjson.loads(line)))
            except (ValueError, KeyError, TypeError):
                log.warning("spooled_line_dropped", file=self.path.name, bytes=len(line))
        return found

    def set_aside(self) -> None:
        """Keep the file under a name that nobody replays: somebody has to look at it."""
        self.path.rename(self.path.with_suffix(".refused"))

    def let_go(self, *, is_done: bool) -> None:
        """Delete the file when it is done, and unlock it."""
        if is_done:
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class Spool:
    """The files of one process in a directory that others may share. Its methods block; threads may call them."""

    def __init__(self, directory: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._own: Taken | None = None
        self._lock = threading.Lock()

    def append(self, batch: Batch) -> None:
        """Write visits down, durably.

        Raises:
            SpoolFull: there is no room.
            OSError: the disk did not take them.
        """
        line = _line(batch)
        with self._lock:
            if self._own is not None and os.fstat(self._own.descriptor).st_size >= LONGEST_FILE:
                self._own.let_go(is_done=False)
                self._own = None
            if self.size() + len(line) > self._most_bytes:
                raise SpoolFull
            if self._own is None:
                self._own = self._begin()
            self._write(self._own, line)

    def _write(self, own: Taken, line: bytes) -> None:
        before = os.fstat(own.descriptor).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(own.descriptor, line[written:])
            os.fsync(own.descriptor)
        except OSError:
            # half a line would spoil the next one
            os.ftruncate(own.descriptor, before)
            raise

    def _begin(self) -> Taken:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._directory / f"{secrets.token_hex(16)}{SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        sync_directory(self._directory)
        return Taken(path, descriptor)

    def take(self) -> Iterator[Taken]:
        """Every file that may be replayed now, one by one: this process's own, and those that no living one holds."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.let_go(is_done=False)
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            found = _locked(path)
            if found is not None:
                yield found

    def size(self) -> int:
        """Bytes in all files."""
        total = 0
        for path in self._directory.glob(f"*{SUFFIX}"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        return total

    def close(self) -> None:
        """Let go of the own file: whoever looks next replays it."""
        with self._lock:
            if self._own is not None:
                self._own.let_go(is_done=False)
                self._own = None


def _locked(path: Path) -> Taken | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not os.fstat(descriptor).st_nlink:
        # somebody was faster, and is done with it
        os.close(descriptor)
        return None
    return Taken(path, descriptor)


async def replay(session: AsyncSession, taken: Taken, *, now: datetime) -> int:
    """Bring a file's visits into the database, unless that was done before; how many.

    The file may be let go as done once the transaction has ended.

    Raises:
        FileTooOld: it has a visit from before `OLDEST_REPLAYED`; the transaction must be undone.
    """
    if not await is_first_replay(session, taken.path.name, now=now):
        return 0
    batches = taken.batches()
    if any(hit.occurred_at < now - OLDEST_REPLAYED for batch in batches for hit in batch.hits):
        raise FileTooOld
    hits: list[Hit] = []
    for batch in batches:
        # one in doubt ends its writer, so there are as few as there were outages
        if batch.mark is None or not await is_committed(session, batch.mark, now=now):
            hits += batch.hits
    for start in range(0, len(hits), AT_A_TIME):
        await insert_hits(session, hits[start : start + AT_A_TIME])
    return len(hits)


def _line(batch: Batch) -> bytes:
    rows = [
        [
            hit.owner_id,
            hit.delivery_id,
            hit.kind.value,
            hit.occurred_at.isoformat(),
            hit.target,
            hit.automated,
            hit.ip_address,
            hit.user_agent,
        ]
        for hit in batch.hits
    ]
    mark = [batch.mark.writer, batch.mark.number] if batch.mark else None
    return orjson.dumps({"mark": mark, "hits": rows}) + b"\n"


def _batch(line: dict[str, object]) -> Batch:
    rows, mark = line["hits"], line["mark"]
    if not isinstance(rows, list) or not isinstance(mark, list | None):
        raise TypeError
    hits = [
        Hit(owner_id, delivery_id, ActivityKind(kind), _instant(at), target, automated, address, agent)
        for owner_id, delivery_id, kind, at, target, automated, address, agent in rows
    ]
    return Batch(hits, Mark(*mark) if mark else None)


def _instant(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        raise ValueError
    return read
