"""Moving windows that several processes share: a storage of `limits` on Redis or Valkey, one round trip a hit."""

from collections.abc import Callable
from typing import Any

from limits.errors import StorageError
from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from journeys_api.http.ring_storage import steady_time

# The hits of one key, newest first, in microseconds of the server's own clock: those of the processes differ.
_HIT = b"""
local key, limit, seconds, amount = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = seconds * 1000000
local newest = redis.call('LINDEX', key, 0)
if newest and tonumber(newest) > now + window then
    redis.call('DEL', key) -- the clock was set back by more than a window: the hits would count for as long
end
local oldest = redis.call('LINDEX', key, -1)
while oldest and tonumber(oldest) <= now - window do
    redis.call('RPOP', key)
    oldest = redis.call('LINDEX', key, -1)
end
local count = redis.call('LLEN', key)
local accepted = 0
if amount > 0 and count + amount <= limit then
    for _ = 1, amount do
        redis.call('LPUSH', key, string.format('%.0f', now))
    end
    redis.call('EXPIRE', key, seconds + 1) -- counted in coarser units than the window: never before its end
    accepted = 1
    count = count + amount
    oldest = oldest or now
end
return {accepted, count, math.max(0, now - (oldest and tonumber(oldest) or now))}
"""


class SharedStorage(RedisStorage):
    """Moving windows on a server, as `shared+redis://…`, `shared+valkey://…` and their variants.

    The storage of `limits` that it derives from takes the time of whichever machine asks, so that clocks a second
    apart bend the window, and needs a second round trip to tell what is left, in which the event loop waits. Both
    schemes speak through the `redis` client: the protocol is one.

    Args:
        clock: seconds of this process; a window's start is told by it.
        options: of the `redis` client.
    """

    STORAGE_SCHEME = [  # noqa: RUF012  (the base class declares an instance variable)
        "shared+redis",
        "shared+rediss",
        "shared+redis+unix",
        "shared+valkey",
        "shared+valkeys",
        "shared+valkey+unix",
    ]

    def __init__(self, uri: str, *, clock: Callable[[], float] = steady_time, **options: Any) -> None:
        scheme, _, place = uri.removeprefix("shared+").partition("://")
        self._clock = clock
        self._told: tuple[str, tuple[float, int]] | None = None
        options["retry"] = Retry(NoBackoff(), 0)  # never the client's own retries: they sleep
        super().__init__(f"{scheme.replace('valkey', 'redis')}://{place}", key_prefix="journeys-api", **options)
        self._hit = self.get_connection().register_script(_HIT)

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` hits, if with them no more than `limit` fall in the last `expiry` seconds."""
        accepted, window = self._ask(key, limit, expiry, amount)
        # for the get_moving_window that follows a hit at once; whatever else comes next asks anew
        self._told = (key, window)
        return accepted

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest hit of the last `expiry` seconds was made, and how many there are.

        Right after a hit on the same key this is what the server told with it.
        """
        told, self._told = self._told, None
        if told is not None and told[0] == key:
            return told[1]
        return self._ask(key, limit, expiry, 0)[1]

    def _ask(self, key: str, limit: int, expiry: int, amount: int) -> tuple[bool, tuple[float, int]]:
        accepted, count, age = self._hit([self.prefixed_key(key)], [limit, expiry, amount])
        return bool(accepted), (self._clock() - age / 1_000_000, count)

    def take_back(self, key: str) -> None:
        """Forget the newest hit of the key.

        Raises:
            StorageError: the server does not do it.
        """
        try:
            self.storage.lpop(self.prefixed_key(key))
        except (RedisError, OSError) as error:
            raise StorageError(error) from error

    def check(self) -> bool:
        """Whether the server counts: not only whether it answers, as one that is read-only or full does."""
        try:
            self._ask("check", 100, 1, 1)
        except (RedisError, OSError):
            return False
        return True

    def close(self) -> None:
        """Hang up."""
        self.storage.close()
