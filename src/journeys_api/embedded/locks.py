"""Locks on files of the data directory: the system lets go of them when their process ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from journeys_api.embedded.server_user import EmbeddedPostgresError


class DataDirectoryInUse(EmbeddedPostgresError):
    """Another process already serves from this data directory."""


@contextmanager
def open_lock_file(path: Path) -> Iterator[int]:
    """The descriptor of a file to lock, made if there is none; locks on it end with the context."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def try_exclusive(descriptor: int) -> bool:
    """Lock the file for us alone; False when somebody else has a lock on it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def owner_lock(path: Path, data_dir: Path) -> Iterator[None]:
    """Be the one process that serves from the data directory.

    Raises:
        DataDirectoryInUse: another one is.
    """
    with ExitStack() as stack:
        lock = stack.enter_context(open_lock_file(path))
        if not try_exclusive(lock):
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise DataDirectoryInUse(
                f"the data directory {data_dir} is in use by another journeys-api server (process {holder}); "
                "stop that one, or set JOURNEYS_DATA_DIR to another directory"
            )
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
