"""Looks at processes: whether one is there, is a server of this cluster, and answers."""

import os
import socket
import struct
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"

TLS_REQUEST = struct.pack("!II", 8, 80877103)
"""The shortest question of PostgreSQL's protocol that the server's main process must fork to answer."""


def answers(socket_directory: Path) -> bool:
    """Whether a server takes a connection: it is asked about TLS, which it answers with one letter, and left."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(socket_directory / SOCKET_NAME))
            probe.sendall(TLS_REQUEST)
            return probe.recv(1) in (b"N", b"S")
        except OSError:
            return False


def process_exists(pid: int) -> bool:
    """Whether there is a process of this number, whatever it does; a zombie is one."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_server_of(pid: int, cluster: Path) -> bool:
    """Whether this process is a living PostgreSQL at work in this cluster; a zombie, or a number reused, is not."""
    if not Path("/proc/self").exists():
        return process_exists(pid)  # no /proc (macOS): the number is all there is
    try:
        # A server works in its cluster's directory, wherever that was moved to since.
        at_home = os.path.samefile(f"/proc/{pid}/cwd", cluster)
        return at_home and b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
