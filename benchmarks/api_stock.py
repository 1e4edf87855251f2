"""The textbook way to the same answers: FastAPI, dependencies, response models, async ORM, SlowAPIMiddleware.

As the documentation of each part shows it, on the product's own tables, behind as many other routes as stand in the
way in an application of this size. Statistics are read folded only: it has no deltas to add.
"""

import hashlib
import hmac
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request
from pydantic import BaseModel
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIMiddleware
from sqlalchemy import JSON, BigInteger, Date, DateTime, ForeignKey, LargeBinary, Text, and_, make_url, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, foreign, mapped_column, relationship, selectinload
from starlette.responses import JSONResponse

from api_seed import PEPPER

OTHER_ROUTES = 60
JSON_DECODER = json.JSONDecoder()
COUNTERS = {
    "SendCount": "send_count",
    "DeliveryCount": "delivery_count",
    "OpenCount": "open_count",
    "ClickCount": "click_count",
    "ConversionCount": "conversion_count",
    "BrowserViewCount": "browser_view_count",
    "ForwardCount": "forward_count",
    "UnsubscribeCount": "unsubscribe_count",
    "BounceCount": "bounce_count",
    "SpamComplaintCount": "spam_complaint_count",
}


class Base(DeclarativeBase):
    type_annotation_map = {int: BigInteger, str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012


class Group(Base):
    __tablename__ = "user_groups"
    group_id: Mapped[int] = mapped_column(primary_key=True)
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Text))


class User(Base):
    __tablename__ = "users"
    user_id: Mapped[int] = mapped_column(primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("user_groups.group_id"))
    account_status: Mapped[str]
    group: Mapped[Group] = relationship(lazy="joined")


class ApiKey(Base):
    __tablename__ = "api_keys"
    api_key_id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id"))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    user: Mapped[User] = relationship(lazy="joined")


class Counters:
    send_count: Mapped[int]
    delivery_count: Mapped[int]
    open_count: Mapped[int]
    click_count: Mapped[int]
    conversion_count: Mapped[int]
    browser_view_count: Mapped[int]
    forward_count: Mapped[int]
    unsubscribe_count: Mapped[int]
    bounce_count: Mapped[int]
    spam_complaint_count: Mapped[int]
    revenue_cents: Mapped[int]


class JourneyTotals(Counters, Base):
    __tablename__ = "journey_totals"
    owner_id: Mapped[int] = mapped_column(primary_key=True)
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.journey_id"), primary_key=True)
    active_count: Mapped[int]
    total_count: Mapped[int]


class ActionTotals(Counters, Base):
    __tablename__ = "action_totals"
    owner_id: Mapped[int] = mapped_column(primary_key=True)
    journey_id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(primary_key=True)
    active_count: Mapped[int]
    total_count: Mapped[int]
    completed_runs: Mapped[int]


class ActionDay(Counters, Base):
    __tablename__ = "action_days"
    owner_id: Mapped[int] = mapped_column(primary_key=True)
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.journey_id"), primary_key=True)
    action_id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    counted_on: Mapped[date] = mapped_column(Date, primary_key=True)


class Action(Base):
    __tablename__ = "journey_actions"
    action_id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.journey_id"))
    order_no: Mapped[int]
    action: Mapped[str]
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    notes: Mapped[str]
    is_published: Mapped[bool]
    next_action_id: Mapped[int | None]
    removed_at: Mapped[datetime | None]
    totals: Mapped[ActionTotals | None] = relationship(
        primaryjoin=lambda: and_(
            Action.owner_id == foreign(ActionTotals.owner_id),
            Action.journey_id == foreign(ActionTotals.journey_id),
            Action.action_id == foreign(ActionTotals.action_id),
        ),
        uselist=False,
        viewonly=True,
    )


class Journey(Base):
    __tablename__ = "journeys"
    journey_id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    name: Mapped[str]
    notes: Mapped[str]
    trigger: Mapped[str]
    trigger_parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    run_criteria: Mapped[list[Any]] = mapped_column(JSON)
    run_criteria_operator: Mapped[str] = mapped_column(default="and")
    rate_limit_per_hour: Mapped[int] = mapped_column(default=0)
    rate_limit_per_day: Mapped[int] = mapped_column(default=0)
    status: Mapped[str]
    first_action_id: Mapped[int | None]
    flow_version: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    actions: Mapped[list[Action]] = relationship(
        primaryjoin=lambda: and_(Journey.journey_id == foreign(Action.journey_id), Action.removed_at.is_(None)),
        order_by=Action.order_no,
        viewonly=True,
    )
    totals: Mapped[JourneyTotals | None] = relationship(uselist=False, viewonly=True)
    days: Mapped[list[ActionDay]] = relationship(viewonly=True)


class MailOut(BaseModel):
    SendCount: int = 0
    DeliveryCount: int = 0
    OpenCount: int = 0
    ClickCount: int = 0
    ConversionCount: int = 0
    BrowserViewCount: int = 0
    ForwardCount: int = 0
    UnsubscribeCount: int = 0
    BounceCount: int = 0
    SpamComplaintCount: int = 0
    TotalRevenue: int | float = 0


class StatsOut(BaseModel):
    ActiveSubscribers: int
    TotalSubscribers: int
    AggregatedEmailActions: MailOut
    AggregatedDaysEmailActions: dict[str, MailOut] | list[Any]
    TotalRevenue: int | float
    DaysRevenue: list[Any]


class ActionOut(BaseModel):
    ActionID: str
    OrderNo: int
    Action: str
    ActionParameters: dict[str, Any]
    Notes: str
    Published: bool
    CompletedRuns: int
    Stats: dict[str, int | float]


class HeadOut(BaseModel):
    JourneyID: str
    JourneyName: str
    Trigger: str
    Status: str


class JourneyOut(HeadOut):
    TriggerParameters: dict[str, Any] | list[Any]
    Notes: str
    Actions: list[ActionOut]
    JourneyStats: StatsOut
    Run_Criteria: list[Any]
    Run_Criteria_Operator: str
    Rate_Limit_Per_Hour: int
    Rate_Limit_Per_Day: int
    CreatedAt: str
    UpdatedAt: str


class ListedOut(HeadOut):
    TriggerParameters: dict[str, Any] | list[Any]
    JourneyStats: StatsOut


class ListOut(BaseModel):
    Journeys: list[ListedOut]


class CreatedHeadOut(HeadOut):
    Notes: str
    CreatedAt: str
    UpdatedAt: str


class CreatedOut(BaseModel):
    JourneyID: int
    Journey: CreatedHeadOut


class CreateIn(BaseModel):
    Name: str
    Trigger: str = "Manual"
    Run_Criteria: str | None = None
    Notes: str = ""


class ActionIn(BaseModel):
    model_config = {"extra": "allow"}
    ActionID: int
    Action: str
    Published: bool = False


class ActionsIn(BaseModel):
    JourneyID: int
    Actions: list[ActionIn]


class ActionsOut(BaseModel):
    JourneyID: str
    JourneyName: str
    Actions: list[ActionOut]


engine = create_async_engine(
    make_url(os.environ["BENCH_DATABASE_URL"]).set(drivername="postgresql+asyncpg"), pool_size=8, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


def _key(request: Request) -> str:
    return request.headers.get("APIKey", "")


limiter = Limiter(key_func=_key, default_limits=["100/minute"], strategy="moving-window")
app = FastAPI()
app.state.limiter = limiter
app.add_middleware(SlowAPIMiddleware)


@app.exception_handler(RateLimitExceeded)
async def too_many(request: Request, error: RateLimitExceeded) -> JSONResponse:
    return JSONResponse({"ErrorCode": 429}, 429)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def current_user(session: Session, key: Annotated[str, Header(alias="APIKey")]) -> User:
    digest = hmac.new(PEPPER.encode(), key.encode(), hashlib.sha256).digest()
    found = await session.scalar(select(ApiKey).where(ApiKey.key_hash == digest))
    if found is None or found.user.account_status != "Enabled":
        raise HTTPException(401)
    if "*" not in found.user.group.permissions and "Campaign.Create" not in found.user.group.permissions:
        raise HTTPException(403)
    return found.user


Caller = Annotated[User, Depends(current_user)]


def _mail(counted: Any) -> MailOut:
    if counted is None:
        return MailOut()
    return MailOut(
        **{name: getattr(counted, column) for name, column in COUNTERS.items()},
        TotalRevenue=counted.revenue_cents // 100,
    )


def _stats(journey: Journey, start: date, end: date) -> StatsOut:
    days: dict[date, MailOut] = {}
    for day in journey.days:
        total = days.setdefault(day.counted_on, MailOut())
        for name, column in COUNTERS.items():
            setattr(total, name, getattr(total, name) + getattr(day, column))
    every = [end - timedelta(days=n) for n in range((end - start).days + 1)]
    totals = journey.totals
    return StatsOut(
        ActiveSubscribers=totals.active_count if totals else 0,
        TotalSubscribers=totals.total_count if totals else 0,
        AggregatedEmailActions=_mail(totals),
        AggregatedDaysEmailActions={str(day): days.get(day, MailOut()) for day in every} if days else [],
        TotalRevenue=totals.revenue_cents // 100 if totals else 0,
        DaysRevenue=[],
    )


def _action(action: Action) -> ActionOut:
    totals = action.totals
    stats: dict[str, int | float] = {
        "ActiveSubscribers": totals.active_count if totals else 0,
        "TotalSubscribers": totals.total_count if totals else 0,
    }
    if action.action == "SendEmail":
        stats |= {
            "EmailSent": totals.send_count if totals else 0,
            "EmailOpened": totals.open_count if totals else 0,
            "EmailClicked": totals.click_count if totals else 0,
            "EmailConverted": totals.conversion_count if totals else 0,
            "EmailUnsubscribed": totals.unsubscribe_count if totals else 0,
            "EmailBounced": totals.bounce_count if totals else 0,
            "EmailSpamComplaint": totals.spam_complaint_count if totals else 0,
            "TotalRevenue": totals.revenue_cents // 100 if totals else 0,
        }
    return ActionOut(
        ActionID=str(action.action_id),
        OrderNo=action.order_no,
        Action=action.action,
        ActionParameters=action.parameters,
        Notes=action.notes,
        Published=action.is_published,
        CompletedRuns=totals.completed_runs if totals else 0,
        Stats=stats,
    )


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _head(journey: Journey) -> dict[str, str]:
    return {
        "JourneyID": str(journey.journey_id),
        "JourneyName": journey.name,
        "Trigger": journey.trigger,
        "Status": journey.status,
    }


def _window(start: date | None, end: date | None) -> tuple[date, date]:
    today = datetime.now(UTC).date()
    return start or today - timedelta(days=30), end or today


for number in range(OTHER_ROUTES):

    @app.get(f"/api/v1/other{number}")
    async def other() -> dict[str, str]:
        return {}


@app.get("/ready")
@limiter.exempt  # type: ignore[untyped-decorator]
async def ready(request: Request) -> dict[str, str]:
    return {"status": "ready"}


@app.get("/api/v1/journey", response_model=JourneyOut)
async def journey_get(
    session: Session,
    user: Caller,
    journey_id: Annotated[int, Query(alias="JourneyID")],
    start: Annotated[date | None, Query(alias="StartDate")] = None,
    end: Annotated[date | None, Query(alias="EndDate")] = None,
) -> JourneyOut:
    first, last = _window(start, end)
    journey = await session.scalar(
        select(Journey)
        .where(Journey.owner_id == user.user_id, Journey.journey_id == journey_id, Journey.deleted_at.is_(None))
        .options(
            selectinload(Journey.actions).selectinload(Action.totals),
            selectinload(Journey.totals),
            selectinload(Journey.days.and_(ActionDay.counted_on.between(first, last))),
        )
    )
    if journey is None:
        raise HTTPException(404)
    return JourneyOut(
        **_head(journey),
        TriggerParameters=journey.trigger_parameters or [],
        Notes=journey.notes,
        Actions=[_action(action) for action in journey.actions],
        JourneyStats=_stats(journey, first, last),
        Run_Criteria=journey.run_criteria,
        Run_Criteria_Operator=journey.run_criteria_operator,
        Rate_Limit_Per_Hour=journey.rate_limit_per_hour,
        Rate_Limit_Per_Day=journey.rate_limit_per_day,
        CreatedAt=_instant(journey.created_at),
        UpdatedAt=_instant(journey.updated_at),
    )


@app.get("/api/v1/journeys", response_model=ListOut)
async def journey_list(
    session: Session,
    user: Caller,
    start: Annotated[date | None, Query(alias="StatsStartDate")] = None,
    end: Annotated[date | None, Query(alias="StatsEndDate")] = None,
) -> ListOut:
    first, last = _window(start, end)
    journeys = await session.scalars(
        select(Journey)
        .where(Journey.owner_id == user.user_id, Journey.deleted_at.is_(None))
        .order_by(Journey.journey_id)
        .options(
            selectinload(Journey.totals),
            selectinload(Journey.days.and_(ActionDay.counted_on.between(first, last))),
        )
    )
    return ListOut(
        Journeys=[
            ListedOut(
                **_head(journey),
                TriggerParameters=journey.trigger_parameters or [],
                JourneyStats=_stats(journey, first, last),
            )
            for journey in journeys
        ]
    )


@app.post("/api/v1/journey", response_model=CreatedOut)
async def journey_create(session: Session, user: Caller, given: CreateIn) -> CreatedOut:
    now = datetime.now(UTC)
    journey = Journey(
        owner_id=user.user_id,
        name=given.Name,
        notes=given.Notes,
        trigger=given.Trigger,
        trigger_parameters={},
        run_criteria=[] if given.Run_Criteria is None else JSON_DECODER.decode(given.Run_Criteria),
        status="Disabled",
        created_at=now,
        updated_at=now,
    )
    session.add(journey)
    await session.commit()
    head = CreatedHeadOut(
        **_head(journey),
        Notes=journey.notes,
        CreatedAt=_instant(journey.created_at),
        UpdatedAt=_instant(journey.updated_at),
    )
    return CreatedOut(JourneyID=journey.journey_id, Journey=head)


@app.patch("/api/v1/journey.actions", response_model=ActionsOut)
async def journey_actions_update(session: Session, user: Caller, given: ActionsIn) -> ActionsOut:
    journey = await session.scalar(
        select(Journey)
        .where(Journey.owner_id == user.user_id, Journey.journey_id == given.JourneyID, Journey.deleted_at.is_(None))
        .options(selectinload(Journey.actions).selectinload(Action.totals))
        .with_for_update()
    )
    if journey is None:
        raise HTTPException(404)
    stored = {action.action_id: action for action in journey.actions}
    following = [each.ActionID for each in given.Actions[1:]]
    for place, (each, after) in enumerate(zip(given.Actions, [*following, None], strict=True), start=1):
        action = stored[each.ActionID]
        action.action = each.Action
        action.parameters = dict(each.model_extra or {})
        action.is_published = each.Published
        action.order_no = place
        action.next_action_id = after
    journey.first_action_id = given.Actions[0].ActionID
    journey.flow_version += 1
    journey.updated_at = datetime.now(UTC)
    await session.commit()
    return ActionsOut(
        JourneyID=str(journey.journey_id),
        JourneyName=journey.name,
        Actions=[_action(action) for action in journey.actions],
    )


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]))
