"""Processes and data directories for the tests that start the real thing."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.process.running import (
    Serve,
    Served,
    Start,
    environment_of,
    eventually,
    is_running,
    postmaster_pid,
    servers,
)


@contextmanager
def a_data_dir() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="journeys-test-"))
    yield base / "data"
    pid = postmaster_pid(base / "data")
    if pid is not None and is_running(pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        eventually(lambda: not is_running(pid), "the test's PostgreSQL does not go away")
    shutil.rmtree(base)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory of its own, whose server is gone afterwards, however the test ended."""
    with a_data_dir() as directory:
        yield directory


@pytest.fixture
def environment(data_dir: Path) -> dict[str, str]:
    """The environment of a process under test: nothing of the developer's own settings."""
    return environment_of(data_dir)


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Serve]:
    """Starts `journeys-api serve` on a free port; what is left of it is killed at the end."""
    with servers(environment, tmp_path) as run:
        yield run


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running server for the tests that only look at it."""
    with a_data_dir() as directory, servers(environment_of(directory), tmp_path_factory.mktemp("serve")) as run:
        yield run()


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts a Python process with pipes; what is left of it is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**environment, **more},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
