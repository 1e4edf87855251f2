"""What the tests of whole processes ask about them."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"

PATIENCE = 60.0
"""Seconds after which a condition that has not come true is a failure."""

Start = Callable[..., subprocess.Popen[str]]


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` holds; fail with `what` when it does not."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def postmaster_pid(data_dir: Path) -> int | None:
    """The process id that the cluster's lock file names."""
    with suppress(FileNotFoundError, ValueError, IndexError):
        return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    return None


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
