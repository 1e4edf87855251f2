"""Deadlines of many tasks under one timer: a timeout of asyncio's for each costs more than reading a short body."""

import asyncio
from types import TracebackType
from typing import Any, Self


class Deadlines:
    """Those of one event loop's tasks; its timer is set for the first of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._open: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, deadline: "Deadline") -> None:
        """From now on this one holds."""
        self._open.add(deadline)
        if self._timer is None or deadline.when < self._timer.when():
            self._set()

    def leave(self, deadline: "Deadline") -> None:
        """This one holds no longer; the timer stays: it will find out."""
        self._open.discard(deadline)

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(min(each.when for each in self._open), self._interrupt)

    def _interrupt(self) -> None:
        self._timer = None
        now = self.loop.time()
        for deadline in [each for each in self._open if each.when <= now]:
            self._open.discard(deadline)
            deadline.interrupt()
        if self._open:
            self._set()


_latest: Deadlines | None = None
"""Those of the loop that asked last: a process of a server has one."""


def _of(loop: asyncio.AbstractEventLoop) -> Deadlines:
    global _latest
    if _latest is None or _latest.loop is not loop:
        _latest = Deadlines(loop)
    return _latest


class Interruptible:
    """A block that is ended from outside: by its deadline, or by whoever knows that it waits in vain.

    Raises:
        TimeoutError: at the end of the block, when it was interrupted.
    """

    __slots__ = ("_is_over", "_task")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "whoever is to be interrupted is a task"
        self._task: asyncio.Task[Any] = task
        self._is_over = False

    def interrupt(self) -> None:
        """End the block."""
        if not self._is_over:
            self._is_over = True
            self._task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # whoever else has cancelled the task meanwhile is not kept from it
        if self._is_over and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error


class Deadline(Interruptible):
    """A block that is to be over in time, as `asyncio.timeout` has it.

    Raises:
        TimeoutError: at the end of the block, when it took longer than `seconds`.
    """

    __slots__ = ("_all", "when")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self.when = loop.time() + seconds
        self._all = _of(loop)
        self._all.enter(self)

    def put_off(self, seconds: float) -> None:
        """The block has so much longer."""
        self.when += seconds  # the timer comes too early then, and sets itself again

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.leave(self)
        super().__exit__(kind, error, trace)
