"""Memory for moving windows: a storage of `limits` that costs the same for ten keys and for fifty thousand."""

import threading
import time
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable

from limits.storage import MovingWindowSupport, Storage

_EPOCH = time.time() - time.monotonic()


def steady_time() -> float:
    """Seconds since the epoch, as `limits` counts them, by a clock that nobody sets back while a window is open."""
    return _EPOCH + time.monotonic()


class _Window:
    """The accepted hits of one key, oldest first; eight bytes each, because there can be many keys."""

    __slots__ = ("first", "key", "times")

    def __init__(self, key: str) -> None:
        self.key = key
        self.times = array("d")
        self.first = 0
        """Where the hits begin that still count."""

    def count(self, edge: float) -> int:
        """How many hits are younger than `edge`; the others are forgotten."""
        times = self.times
        self.first = bisect_right(times, edge, self.first)
        # only when at least half of the array is dead: what is moved is then less than what was forgotten, O(1) a hit
        if self.first * 2 > len(times):
            del times[: self.first]
            self.first = 0
        return len(times) - self.first


class RingStorage(Storage, MovingWindowSupport):
    """Moving windows in the memory of one process, as `ring://`.

    `limits` has a memory storage, but its timer walks every key 100 times a second. Here there is no timer: every hit
    looks after at most two other keys whose time may be over, which is enough, as it adds at most one. A hit counts as
    long as it is younger than its window, to the clock's last digit. One lock guards all; hits come from the event
    loop's thread, so it is free.

    Args:
        clock: seconds that never go back; the epoch's, where somebody reads a window's start as a time of day.
    """

    STORAGE_SCHEME = ["ring"]  # noqa: RUF012  (the base class declares an instance variable)

    def __init__(
        self,
        uri: str | None = None,
        wrap_exceptions: bool = False,
        *,
        clock: Callable[[], float] = steady_time,
    ) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        # by length of the window: (when the key may be idle, its window), the earliest in front
        self._due: dict[int, deque[tuple[float, _Window]]] = {}

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What its own failures are: memory has none."""
        return ()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` hits, if with them no more than `limit` fall in the last `expiry` seconds."""
        return self.hit(key, limit, expiry, amount)[0]

    def hit(self, key: str, limit: int, expiry: int, amount: int = 1) -> tuple[bool, float, int]:
        """`acquire_entry`, and `get_moving_window` as it stands then, for little more than either.

        Returns:
            Whether the hits were counted; when the oldest in the window was made; how many there are.
        """
        with self._lock:
            now = self._clock()
            self._forget_idle(now, expiry)
            window = self._windows.get(key)
            count = 0 if window is None else window.count(now - expiry)
            if count + amount > limit:
                return False, now if window is None or not count else window.times[window.first], count
            if window is None:
                window = self._windows[key] = _Window(key)
                self._due.setdefault(expiry, deque()).append((now + expiry, window))
            for _ in range(amount):
                window.times.append(now)
            return True, window.times[window.first], count + amount

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest hit of the last `expiry` seconds was made, and how many there are; nothing is counted."""
        with self._lock:
            now = self._clock()
            window = self._windows.get(key)
            count = 0 if window is None else window.count(now - expiry)
            if window is None or not count:
                return now, 0
            return window.times[window.first], count

    def take_back(self, key: str) -> None:
        """Forget the newest hit of the key."""
        with self._lock:
            window = self._windows.get(key)
            if window is not None and len(window.times) > window.first:
                window.times.pop()

    def _forget_idle(self, now: float, expiry: int) -> None:
        queue = self._due.get(expiry)
        for _ in range(2):
            if not queue or queue[0][0] > now:
                return
            _, window = queue.popleft()
            if self._windows.get(window.key) is not window:
                continue  # cleared meanwhile, and perhaps begun anew: then that window has its own place in the queue
            if window.count(now - expiry):
                queue.append((window.times[-1] + expiry, window))
            else:
                del self._windows[window.key]

    def clear(self, key: str) -> None:
        """Forget the hits of one key."""
        with self._lock:
            self._windows.pop(key, None)

    def reset(self) -> int | None:
        """Forget everything; how many keys that were."""
        with self._lock:
            keys = len(self._windows)
            self._windows.clear()
            self._due.clear()
            return keys

    def check(self) -> bool:
        """Whether it can count: always."""
        return True

    def close(self) -> None:
        """Nothing to let go of."""

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Not offered: counters are for strategies that let twice the limit through at a window's edge."""
        raise NotImplementedError("ring:// keeps moving windows only")

    def get(self, key: str) -> int:
        """Not offered, as `incr`."""
        raise NotImplementedError("ring:// keeps moving windows only")

    def get_expiry(self, key: str) -> float:
        """Not offered, as `incr`."""
        raise NotImplementedError("ring:// keeps moving windows only")
