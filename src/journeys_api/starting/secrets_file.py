"""Secrets that nobody chose: made on a first embedded start and kept in the data directory."""

import os
import secrets
import tempfile
from pathlib import Path

from journeys_api.files import sync_directory


def kept_secret(data_dir: Path, name: str) -> str:
    """The secret of that name; made, 256 random bits in hex, if there is none yet.

    Processes that ask at the same instant get the same one.
    """
    found = read_secret(data_dir, name)
    if found is not None:
        return found
    return _place(data_dir, name, secrets.token_hex(32), replace=False)


def read_secret(data_dir: Path, name: str) -> str | None:
    """The secret of that name, or None."""
    try:
        return (data_dir / "secrets" / name).read_text().strip() or None
    except FileNotFoundError:
        return None


def keep_secret(data_dir: Path, name: str, value: str) -> None:
    """Keep `value` under that name in place of what was there."""
    _place(data_dir, name, value, replace=True)


def _place(data_dir: Path, name: str, value: str, *, replace: bool) -> str:
    directory = data_dir / "secrets"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written whole under another name first: a crash leaves no half of a secret behind. mkstemp makes it 0600.
    descriptor, draft = tempfile.mkstemp(prefix=f".{name}-", dir=directory)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(draft, directory / name)
        else:
            try:
                os.link(draft, directory / name)
            except FileExistsError:
                return (directory / name).read_text().strip()
        # what is hashed and sealed with it outlives a power cut, and so must it
        sync_directory(directory)
        sync_directory(data_dir)
        return value
    finally:
        Path(draft).unlink(missing_ok=True)
