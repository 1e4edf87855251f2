"""What counting one call costs as ever more keys are counted: the product's limiter, and slowapi with `memory://`."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from limits import RateLimitItemPerMinute
from rich.console import Console
from rich.table import Table
from slowapi import Limiter

from journeys_api.commands.registry import HUNDRED_A_MINUTE
from journeys_api.http.rate_limits import RateLimits

KEYS = (10, 1_000, 10_000, 50_000)
HITS = 5_000
ROUNDS = 5


Made = tuple[Callable[[int], object], Callable[[], None]]
"""How to hit a key, and how to end what was made."""


def _ours() -> Made:
    limits = RateLimits(storage_uri=None)
    return (
        lambda key: limits.hit_command(account=f"user:{key}", command="journey.get", limit=HUNDRED_A_MINUTE),
        limits.close,
    )


def _stock() -> Made:
    limiter = Limiter(key_func=lambda: "", storage_uri="memory://", strategy="moving-window")
    item = RateLimitItemPerMinute(100)

    def hit(key: int) -> object:
        accepted = limiter.limiter.hit(item, f"user:{key}")
        return accepted, limiter.limiter.get_window_stats(item, f"user:{key}")

    def close() -> None:
        # its timer would go on walking the keys while the next limiter is measured
        timer: Any = limiter.limiter.storage.timer  # type: ignore[attr-defined]
        timer.cancel()
        timer.join()

    return hit, close


def _cost_us(made: Made, keys: int) -> float:
    """CPU time of a hit, whatever thread spends it, after every key was hit once."""
    hit, close = made
    for key in range(keys):
        hit(key)
    started = time.process_time()
    for n in range(HITS):
        hit(n * 7919 % keys)
    spent = time.process_time() - started
    close()
    return spent / HITS * 1e6


def limiter_costs(console: Console) -> dict[str, dict[int, float]]:
    """Print and answer the microseconds of one hit by the number of keys; each round makes both limiters anew."""
    makers = {"product": _ours, "slowapi, memory://": _stock}
    rounds: dict[str, dict[int, list[float]]] = {name: {keys: [] for keys in KEYS} for name in makers}
    for _ in range(ROUNDS):
        for keys in KEYS:
            for name, make in makers.items():
                rounds[name][keys].append(_cost_us(make(), keys))
    costs = {
        name: {keys: statistics.median(values) for keys, values in by_keys.items()} for name, by_keys in rounds.items()
    }
    table = Table("µs a hit", *(f"{keys:,} keys" for keys in KEYS), "last / first", title="limiter alone")
    for name, by_keys in costs.items():
        cells = [f"{by_keys[keys]:.1f}" for keys in KEYS]
        table.add_row(name, *cells, f"{by_keys[KEYS[-1]] / by_keys[KEYS[0]]:.2f}")
    console.print(table)
    return costs
