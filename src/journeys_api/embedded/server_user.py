"""Whom the embedded PostgreSQL runs as: ourselves, or, as root, one who is not root; and what that one must reach."""

import os
import pwd
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import structlog

log = structlog.get_logger(__name__)


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the text says why."""


class _RunAs(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class ServerUser:
    """The system user whom the server's programs run as: ourselves, or, as root, one who is not root."""

    name: str
    uid: int
    gid: int

    @property
    def run_as(self) -> _RunAs:
        """What `subprocess` needs in order to become this user."""
        return {} if self.uid == os.geteuid() else {"user": self.uid, "group": self.gid, "extra_groups": []}


def find_server_user(cluster: Path) -> ServerUser:
    """Whom the server runs as. PostgreSQL refuses root, so for root it is the cluster's owner, `postgres` or `nobody`.

    Raises:
        EmbeddedPostgresError: this user has no name on this system, which `initdb` insists on.
    """
    uid = os.geteuid()
    if uid != 0:
        return ServerUser(name_of(uid), uid, os.getegid())
    with suppress(FileNotFoundError, KeyError):
        owner = pwd.getpwuid(cluster.stat().st_uid)
        if owner.pw_uid != 0:
            return ServerUser(owner.pw_name, owner.pw_uid, owner.pw_gid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            user = ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
            if cluster.exists():
                # Its owner is unknown here: the directory came from another machine.
                for path in [cluster, *cluster.rglob("*")]:
                    os.chown(path, user.uid, user.gid, follow_symlinks=False)
            return user
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and this system has neither a user postgres nor nobody"
    )


def name_of(uid: int) -> str:
    """The user's name; EmbeddedPostgresError when the system knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise EmbeddedPostgresError(
            f"user {uid} has no name on this system (no passwd entry), which the embedded PostgreSQL needs; "
            "give it one, or set JOURNEYS_DATABASE_URL"
        ) from None


def open_the_way(target: Path, user: ServerUser) -> None:
    """Let the server's user pass through each folder down to `target`, and nothing more: no listing, no reading."""
    if user.uid == os.geteuid():
        return
    for folder in [*reversed(target.parents), target]:
        status = folder.stat()
        if status.st_uid == user.uid:
            passable = stat.S_IXUSR
        elif status.st_gid == user.gid:
            passable = stat.S_IXGRP
        else:
            passable = stat.S_IXOTH
        if not status.st_mode & passable:
            folder.chmod(stat.S_IMODE(status.st_mode) | passable)
            log.warning(
                "folder_opened",
                folder=str(folder),
                change={stat.S_IXUSR: "u+x", stat.S_IXGRP: "g+x", stat.S_IXOTH: "o+x"}[passable],
                reason="PostgreSQL does not run as root and must pass through",
                user=user.name,
            )


def _others_may_read(path: Path) -> bool:
    needed = stat.S_IROTH | stat.S_IXOTH
    return path.stat().st_mode & needed == needed


def owned(directory: Path, user: ServerUser) -> Path:
    """The directory, made the server's user's and closed to all others."""
    os.chown(directory, user.uid, user.gid)
    directory.chmod(0o700)
    return directory


def open_programs(programs: Path, user: ServerUser) -> None:
    """Let the server's user run the wheel's programs, where an installer's umask kept others out of them too."""
    open_the_way(programs, user)
    installation = programs.parent
    if user.uid == os.geteuid() or _others_may_read(programs / "postgres"):
        return
    for path in [installation, *installation.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
    log.warning(
        "folder_opened",
        folder=str(installation),
        change="o+rX",
        reason="PostgreSQL does not run as root and must read its programs",
        user=user.name,
    )
