"""People and rules for property tests, drawn from few values so that rules and people meet."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.criteria.population import World
from tests.criteria.reference import Person

FIRST_ID = 4_000_000_000
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Pacific/Apia",
]
NOWS = [
    datetime(2024, 3, 31, 0, 30, tzinfo=UTC),  # Berlin loses an hour
    datetime(2024, 3, 31, 22, 30, tzinfo=UTC),
    datetime(2024, 10, 27, 1, 30, tzinfo=UTC),  # and wins it back
    datetime(2024, 4, 25, 22, 15, tzinfo=UTC),  # Cairo loses the first hour of a day
    datetime(2024, 2, 29, 4, 59, 59, tzinfo=UTC),
    datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC),
]
TIMES = ["", "", " 00:00", " 00:30:00", " 02:30:00", " 03:30", " 23:59:59"]
WORDS = [
    *["a", "A", "ab", "é", "É", "ß", "ẞ", "İ", "ı", "Σ", "ς", "😀", "日本", "%", "_", "\\", "\\%", "50%", "a_b", "axb"],
    *["'", '"', "O'Brien", "$1", ":a", "{}", "[a]", "a\nb", " a", "a ", "null", "0000-00-00", "2024-13-01", "12:30"],
]
NUMBERS = ["0", "-0", "5", "5.0", "05", "+5", "-3", ".5", "5.", "1e3", "٣", "10", "9" * 40, "1" * 101, "1,5"]
PATTERNS = ["^a", "a$", "^.$", r"\d+", r"[^a-f]b?", "a|b", "(?:ab){1,2}", r"\.", "%", "É", r"^\s", r"\W", "[\\]%]"]


def local_times(now: datetime) -> st.SearchStrategy[str]:
    """Days around now, some with a time."""
    days = st.integers(-2, 2).map(lambda days: (now + timedelta(days=days)).date().isoformat())
    return st.tuples(days, st.sampled_from(TIMES)).map("".join)


def filled_texts(now: datetime) -> st.SearchStrategy[str]:
    """Texts that look like words, numbers or dates, and any others; none is empty."""
    return st.one_of(
        st.sampled_from(WORDS),
        st.sampled_from(NUMBERS),
        local_times(now),
        st.text(st.characters(min_codepoint=1, max_codepoint=0x24F), min_size=1, max_size=4),
    )


def texts(now: datetime) -> st.SearchStrategy[str]:
    """The same, and the empty text."""
    return st.one_of(filled_texts(now), st.just(""))


def instants(now: datetime) -> st.SearchStrategy[datetime | None]:
    """Moments around now, more of them around the edges of days."""
    hours = st.integers(-60, 60).map(lambda hours: now.replace(minute=0, second=0) + timedelta(hours=hours))
    return st.one_of(
        st.none(),
        hours,
        st.builds(lambda hour, seconds: hour + timedelta(seconds=seconds), hours, st.integers(-2, 3600)),
    )


@st.composite
def people(draw: st.DrawFn, world: World, now: datetime) -> list[Person]:
    """A few subscribers of the world's list."""
    found = []
    any_text = texts(now)
    values = st.dictionaries(st.sampled_from(world.fields), any_text, min_size=1, max_size=2)
    for number in range(draw(st.integers(3, 5))):
        found.append(
            Person(
                subscriber_id=FIRST_ID + number,
                email=draw(st.sampled_from(["Ann", "bob", "%", "a_b", "O'Neil"]))
                + str(number)
                + draw(st.sampled_from(["@a.test", "@B.test", "@mail.a.test"])),
                status=draw(st.sampled_from(["Subscribed", "Unsubscribed", "Opt-In Pending"])),
                bounce=draw(st.sampled_from(["Not Bounced", "Soft", "Hard"])),
                subscribed_at=draw(instants(now)),
                unsubscribed_at=draw(instants(now)),
                opted_in_at=draw(instants(now)),
                subscription_ip=draw(st.sampled_from(["", "0.0.0.0", " - Manual Import"])),
                source_ref=draw(any_text),
                custom=draw(values),
                shared=draw(st.dictionaries(st.sampled_from(world.global_fields), any_text, max_size=2)),
                tags=draw(st.frozensets(st.sampled_from(world.tags))),
                journeys=draw(
                    st.frozensets(
                        st.tuples(
                            st.sampled_from(world.journeys),
                            st.sampled_from(["active", "completed", "exited", "failed"]),
                        ),
                        max_size=3,
                    )
                ),
                activity=draw(st.dictionaries(st.sampled_from(world.actions), st.integers(0, 255), max_size=2)),
                suppressed=draw(
                    st.frozensets(
                        st.sampled_from(["list", "other list", "account", "stranger", "everybody"]), max_size=2
                    )
                ),
            )
        )
    return found


def _rule(kind: str, operators: list[str], **keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), "operator": _spelled(operators), **keys})


def _spelled(names: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from([*names, *(name.title() for name in names)])


def _field(field_ids: list[Any], operators: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return _rule("fields", operators, field_id=st.sampled_from(field_ids), value=values)


SAME = ["is", "is not"]
PARTS = ["contains", "does not contain", "begins with", "ends with"]
ORDERED = [
    "is less than",
    "is less than or equal to",
    "is greater than",
    "is greater than or equal to",
    "is smaller than",
    "equals to",
]
RELATIVE = [
    "in the last x days",
    "not in the last x days",
    "in the next x days",
    "not in the next x days",
    "is exactly x days ago",
    "is exactly x days from now",
]


def _pairs(ends: st.SearchStrategy[str], key: Any) -> st.SearchStrategy[Any]:
    ordered = st.tuples(ends, ends).map(lambda pair: sorted(pair, key=key))
    return st.one_of(ordered, ordered.map(",".join), ordered.map(lambda pair: {"start": pair[0], "end": pair[1]}))


def field_rules(world: World, now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    """Rules about every kind of field."""
    custom = [*world.fields, *map(str, world.global_fields), f"CustomField{world.fields[0]}"]
    names = ["EmailAddress", "email", "EmailDomain", "SubscriptionIP", "SubscriptionSource", "SubscriptionSourceRef"]
    dates = ["SubscriptionDate", "UnsubscriptionDate", "OptInDate"]
    all_fields = [*custom, *names, *dates, "BounceType", "SubscriptionStatus", "SubscriberID"]
    any_text = texts(now)
    filled = filled_texts(now)
    local = local_times(now)
    days = st.sampled_from([0, 1, "2", 3, 4])
    plain = st.sampled_from(["-3", "0", "5", "5.0", "10", ".5"])
    ids = st.integers(FIRST_ID - 1, FIRST_ID + 5)
    states = st.sampled_from(["subscribed", "Unsubscribed", "Opt-Out Pending"])
    numbers = _pairs(plain, float)
    stretches = _pairs(local, lambda text: text.ljust(19, " "))
    return st.one_of(
        _field([*custom, *names], SAME, any_text),
        _field([*custom, *names], ORDERED, filled),
        _field([*custom, *names], ["equals to"], st.just("")),
        _field([*custom, "SubscriptionSourceRef"], ORDERED, st.one_of(st.integers(-5, 11), st.floats(-6, 6))),
        _field(all_fields, PARTS, st.one_of(filled, st.sampled_from(["%", "_", "\\", "A", "é", "2", "-0"]))),
        _field(all_fields, ["is set", "is not set"], st.just("")),
        _field(all_fields, ["matches regex", "does not match regex"], st.sampled_from(PATTERNS)),
        _field([*custom, *dates], [*RELATIVE], days),
        _field([*custom, *dates], [*SAME, *ORDERED, "is before", "is after"], local),
        _field(dates, SAME, st.just("")),
        _field([*custom, *dates], ["between", "not between"], stretches),
        _field([*custom, "EmailAddress"], ["between", "not between"], numbers),
        _field(
            ["SubscriberID"], [*SAME, *ORDERED], st.one_of(ids, ids.map(str), st.just("4000000000.5"), st.just(1e30))
        ),
        _field(["SubscriptionStatus"], SAME, states),
        _field(["BounceType"], SAME, st.sampled_from(["not bounced", "Hard", "Soft"])),
    )


def other_rules(world: World) -> st.SearchStrategy[dict[str, Any]]:
    """Rules about memberships."""
    tag = st.sampled_from(world.tags)
    several = st.lists(tag, min_size=1, max_size=3)
    action_operators = ["opened", "not opened", "clicked", "not clicked", "unsubscribed"]
    action_operators += ["complained", "not complained", "bounced", "not bounced"]
    journey = st.sampled_from(world.journeys)
    action = st.sampled_from(world.actions)
    return st.one_of(
        _rule("tags", ["has this tag", "does not have this tag"], value=st.one_of(tag, tag.map(str))),
        _rule(
            "tags",
            ["has any of these tags", "has all of these tags"],
            value=st.one_of(several, several.map(lambda ids: ", ".join(map(str, ids)))),
        ),
        _rule("tags", ["has no tags"]),
        _rule("journeys", ["in journey", "not in journey", "completed journey"], value=journey),
        _rule("journeys", action_operators, value=action),
        _rule("journey-email-action", action_operators, **{"journey-id": journey, "value": action}),
        _rule("journey-email-action", action_operators, **{"journey-id": journey, "value": st.just("")}),
        _rule("segments", ["belongs to", "does not belong to"], value=st.sampled_from([1, "2"])),
        _rule("suppressions", ["exist", "not exist"]),
    )


def trees(rules: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[Any]]:
    """Rules, groups and subgroups."""
    subgroups = st.lists(rules, min_size=1, max_size=2)
    groups = st.lists(st.one_of(rules, rules, subgroups), min_size=1, max_size=3)
    return st.lists(st.one_of(rules, groups), min_size=1, max_size=3)
