"""How often a process looks for garbage that refers to itself; everything else is freed the moment nobody wants it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

ALLOCATED = 10_000
"""Objects made and not freed before the young are looked through. With more the process would only grow: what an
answer leaves behind in circles lies about until then."""


@contextmanager
def loading() -> Iterator[None]:
    """While modules are loaded, look for none: there is next to none, and looking for it takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def collect_rarely() -> None:
    """Leave what has been loaded so far alone for good, and look through the rest far less often than usual.

    A batch of two thousand people is tens of thousands of objects that live until its end: at Python's own settings
    they are looked through dozens of times on the way, for an eighth of the engine's processor time, to find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATED, 20, 20)
