"""How all journeys of an account together do: what one of them is compared with."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, bindparam, select

from journeys_api.lanes import Lane, Prepared
from journeys_api.models import Journey
from journeys_api.stats import queries
from journeys_api.stats.windows import Window

_PRESENT = Prepared(
    select(Journey.journey_id).where(
        Journey.owner_id == bindparam("owner_id", type_=BigInteger), Journey.deleted_at.is_(None)
    )
)


@dataclass(frozen=True)
class Benchmark:
    """Proportions over a window, each journey weighted by what it sent; 0 when nothing was sent."""

    open_rate: float
    click_rate: float
    click_to_open_rate: float
    bounce_rate: float
    unsubscribe_rate: float
    complaint_rate: float
    revenue: float
    """Currency units for each mail that was sent."""
    journey_count: int
    total_sent: int


async def benchmark(lane: Lane, *, owner_id: int, window: Window) -> Benchmark:
    """Of the account's journeys that are there and sent something in the window."""
    present = {row.journey_id for row in await lane.rows(_PRESENT, owner_id=owner_id)}
    journeys = await queries.journey_windows(lane, owner_id=owner_id, window=window)
    return rates([each for journey_id, each in journeys.items() if journey_id in present and each["send_count"] > 0])


def rates(journeys: list[dict[str, int]]) -> Benchmark:
    """The benchmark of some journeys' counters."""
    sent = sum(each["send_count"] for each in journeys)

    def weighted(counter: str, of: str = "send_count") -> float:
        # a journey nobody opened has no clicks for each open: 0
        shares = (each["send_count"] * each[counter] / each[of] for each in journeys if each[of])
        return round(sum(shares) / sent, 6) if sent else 0.0

    return Benchmark(
        open_rate=weighted("open_count"),
        click_rate=weighted("click_count"),
        click_to_open_rate=weighted("click_count", "open_count"),
        bounce_rate=weighted("bounce_count"),
        unsubscribe_rate=weighted("unsubscribe_count"),
        complaint_rate=weighted("spam_complaint_count"),
        revenue=round(weighted("revenue_cents") / 100, 6),
        journey_count=len(journeys),
        total_sent=sent,
    )
