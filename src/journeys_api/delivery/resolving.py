"""Names to addresses, in threads of their own and within a bounded time."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, Protocol

from journeys_api.delivery.public_addresses import Address

Lookup = Callable[[str, int], Sequence[tuple[Any, Any, Any, Any, tuple[Any, ...]]]]


class NameNotResolved(Exception):
    """The name has no address now; the text is `dns_failed` or `dns_timed_out`."""


class Resolver(Protocol):
    """Finds the addresses of a name."""

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Every address of the name, the best first.

        Raises:
            NameNotResolved: there is none now.
        """

    def close(self) -> None:
        """Let go of what is kept; nobody resolves afterwards."""


def system_lookup(host: str, port: int) -> Sequence[tuple[Any, Any, Any, Any, tuple[Any, ...]]]:
    """Ask the system, as every program on it would."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


class SystemResolver:
    """The system's own resolver.

    Its calls block a thread and cannot be broken off, so they have a few threads that nothing else waits for: while
    a name server is silent, only calls to names wait.

    Args:
        deadline: how long one name may take, waiting for a thread included.
        threads: how many names may be looked up at once.
        lookup: the blocking call, shaped as `socket.getaddrinfo`.

    Source: reliability F45.
    """

    def __init__(
        self, *, deadline: timedelta = timedelta(seconds=5), threads: int = 8, lookup: Lookup = system_lookup
    ) -> None:
        self._deadline = deadline.total_seconds()
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="resolver")
        self._lookup = lookup

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Every address of the name, the best first, each once."""
        answer = asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host, port)
        try:
            async with asyncio.timeout(self._deadline):
                found = await answer
        except TimeoutError:
            raise NameNotResolved("dns_timed_out") from None
        except (OSError, UnicodeError):
            raise NameNotResolved("dns_failed") from None
        addresses: dict[Address, None] = {}
        for _, _, _, _, place in found:
            with contextlib.suppress(ValueError):
                addresses[ip_address(place[0])] = None
        if not addresses:
            raise NameNotResolved("dns_failed")
        return list(addresses)

    def close(self) -> None:
        """Drop what waits for a thread; a lookup under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
