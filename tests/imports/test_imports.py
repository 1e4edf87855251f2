"""Imports from the outside: what goes in, what is told of the rest."""

import json
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.imports.formats import MOST_IN_VAIN, NOT_CLOSED, Format, records
from journeys_api.imports.staging import PIECE
from journeys_api.jobs import service as jobs
from tests.conftest import Client
from tests.imports.conftest import Imports


async def test_a_small_file_is_on_the_list_when_the_call_returns(imports: Imports, door: str) -> None:
    api: Client = imports.api.at(door)

    posted = await api.ok("subscribers.import.post", **imports.parameters("ada@example.com\nbob@example.com\n"))

    assert posted["ImportType"] == "sync"
    assert await imports.addresses() == ["ada@example.com", "bob@example.com"]
    job = (await api.ok("subscribers.import.get", ListID=imports.list_id, ImportID=posted["ImportID"]))["ImportJob"]
    assert (job["ImportStatus"], job["TotalSubscribers"], job["TotalImported"]) == ("Completed", 2, 2)


async def test_a_large_file_is_loaded_by_a_worker(imports: Imports) -> None:
    data = "".join(f"person{number}@example.com\n" for number in range(60_000))

    posted = await imports.api.ok("subscribers.import.post", **imports.parameters(data))
    waiting = await imports.get(posted["ImportID"])
    await imports.work()
    job = await imports.get(posted["ImportID"])

    assert posted["ImportType"] == "async"
    assert (waiting["ImportStatus"], waiting["TotalSubscribers"], waiting["TotalImported"]) == ("Pending", 60_000, 0)
    assert (job["ImportStatus"], job["TotalImported"], job["Progress"]) == ("Completed", 60_000, 100)
    assert len(set(await imports.addresses())) == 60_000
    assert await imports.rows("SELECT 1 FROM job_pieces WHERE job_id = :job", job=posted["ImportID"]) == []


async def test_an_account_has_no_more_imports_waiting_than_it_may(
    imports: Imports, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOST_OPEN", 1)
    api: Client = imports.api.at(door)
    long = imports.parameters("".join(f"person{number}@example.com\n" for number in range(60)))
    short = imports.parameters("ada@example.com\n")

    first = await api.call("subscribers.import.post", **long)
    second = await api.call("subscribers.import.post", **long)
    at_once = await api.call("subscribers.import.post", **short)
    await imports.work()
    third = await api.call("subscribers.import.post", **long)

    assert [answer.status_code for answer in (first, second, at_once, third)] == [200, 429, 200, 200]
    assert second.headers["retry-after"] == "60"
    waited = "SELECT 1 FROM jobs WHERE kind = 'import' AND parameters ->> 'list_id' = :list"
    assert len(await imports.rows(waited, list=str(imports.list_id))) == 3


async def test_a_broken_line_is_told_by_its_number_and_the_rest_goes_in(imports: Imports) -> None:
    data = "\r\n".join(
        [
            "email,city",
            "ada@example.com,London",
            "no address,Paris",
            "",
            ",Nowhere",
            '"bob@example.com,Rome',
            '"cy@example.com","Oslo" here',
            '"two\nlines@example.com",Bern',
            "nul\x00@example.com,Kiel",
            "dora@example.com,Graz",
        ]
    )

    job = await imports.post(data)

    assert await imports.addresses() == ["ada@example.com", "dora@example.com"]
    assert job["FailedLines"] == [
        {"Line": 3, "Reason": "not an email address"},
        {"Line": 5, "Reason": "no email address"},
        {"Line": 6, "Reason": "not CSV: ',' expected after '\"'"},
        {"Line": 7, "Reason": "not CSV: ',' expected after '\"'"},
        {"Line": 8, "Reason": "not an email address"},
        {"Line": 10, "Reason": "a NUL character"},
    ]
    assert job["FailedData"].splitlines()[0] == "Line 3: not an email address"
    totals = job["TotalSubscribers"], job["TotalImported"], job["TotalDuplicates"], job["TotalFailed"]
    assert totals == (8, 2, 0, 6)


async def test_a_source_that_is_json_text_may_have_nul_in_a_line(imports: Imports) -> None:
    given = imports.parameters("ada@example.com\nbob\x00@example.com")

    await imports.api.ok("subscribers.import.post", **{**given, "ImportFrom": json.dumps(given["ImportFrom"])})

    assert await imports.addresses() == ["ada@example.com"]


async def test_a_quotation_mark_that_is_never_closed_costs_its_own_line(imports: Imports) -> None:
    people = "".join(f"person{number}@example.com\n" for number in range(300))

    job = await imports.post(f'first@example.com\n"open@example.com\n{people}last@example.com')

    assert job["FailedLines"] == [{"Line": 2, "Reason": "a field is opened and never closed"}]
    assert job["TotalImported"] == 302


def test_a_file_in_which_no_field_is_closed_is_read_in_a_bounded_number_of_steps() -> None:
    class Counted(list[bytes]):
        """Lines that count how often one of them is looked at."""

        looks = 0

        def __getitem__(self, place: Any) -> Any:
            self.looks += 1
            return super().__getitem__(place)

    # open in the first record, and in every one that goes on with it
    lines = Counted([b'x","'] * 20_000)

    found = list(records(lines, Format(",", '"', "\\"), of_these=len(lines)))

    assert {(each.lines, each.trouble) for each in found} == {(1, NOT_CLOSED)}
    assert len(found) == 20_000
    assert lines.looks < MOST_IN_VAIN + 3 * len(lines)


async def test_a_record_of_several_lines_may_lie_across_two_pieces(imports: Imports) -> None:
    """Pieces are cut at lines, wherever a record is; here one is, in the middle of a field."""
    note = await _field(imports, "Note")
    people = [f"person{number}@example.com,\"line one\nline '{number}' two\"\n" for number in range(40_000)]

    job = await imports.post("".join(people), {"FIELD1": "EmailAddress", "FIELD2": str(note)})

    assert (job["ImportStatus"], job["TotalImported"], job["TotalFailed"]) == ("Completed", 40_000, 0)
    assert job["TotalSubscribers"] == 40_000
    values = {address: found[str(note)] for address, _, found in await imports.people()}
    assert values == {f"person{number}@example.com": f"line one\nline '{number}' two" for number in range(40_000)}


async def test_a_record_may_end_with_the_last_line_of_a_file_behind_a_piece(imports: Imports) -> None:
    note = await _field(imports, "Note")
    line = "ada@example.com,x\n"
    # the first piece ends within the last record, and no line feed ends the file
    data = line * (PIECE // len(line) - 3) + f'bob@example.com,"line one\nline {"two " * 20}"'

    job = await imports.post(data, {"FIELD1": "EmailAddress", "FIELD2": str(note)})

    assert (job["TotalFailed"], job["FailedData"]) == (0, "")
    values = {address: found[str(note)] for address, _, found in await imports.people()}
    assert values == {"ada@example.com": "x", "bob@example.com": f"line one\nline {'two ' * 20}"}


async def test_a_line_that_is_longer_than_a_piece_is_told_and_left_out(imports: Imports) -> None:
    data = f"ada@example.com\n{'x' * 3_000_000}@example.com\nbob@example.com\n" + "c@example.com\n" * 60

    job = await imports.post(data)

    assert await imports.addresses() == ["ada@example.com", "bob@example.com", "c@example.com"]
    assert job["FailedLines"] == [{"Line": 2, "Reason": "the record is longer than 65536 bytes"}]
    assert job["TotalDuplicates"] == 59


async def _field(imports: Imports, name: str, **more: str) -> int:
    made = await imports.api.ok(
        "customfield.create", SubscriberListID=imports.list_id, FieldName=name, FieldType="Single line", **more
    )
    return int(made["CustomFieldID"])


async def test_a_field_that_is_deleted_on_the_way_gets_no_values_any_more(imports: Imports) -> None:
    """The piece that was read ahead was read with the field: it is read again."""
    size = await _field(imports, "Size")
    data = "".join(f"person{number:05}@example.com,large\n" for number in range(60_000))
    await imports.api.ok(
        "subscribers.import.post", **imports.parameters(data, {"FIELD1": "EmailAddress", "FIELD2": str(size)})
    )
    await imports.one_turn()
    first = await imports.people()

    await imports.api.ok("customfields.delete", CustomFields=str(size))
    await imports.work()
    people = await imports.people()

    assert 0 < len(first) < 60_000
    assert all(values == {str(size): "large"} for _, _, values in first)
    assert len(people) == 60_000
    assert all(values == {} for _, _, values in people)


async def test_columns_are_found_by_place_heading_field_and_alias(imports: Imports) -> None:
    city = await _field(imports, "City", MergeTagAlias="City")
    plan = await _field(imports, "Plan", DefaultValue="free")
    everywhere = await _field(imports, "Everywhere", IsGlobal="Yes")
    data = "Name;Mail;Town;Plan;All\nAda;ada@example.com;London;;x\nBob;bob@example.com;'=Rome;pro;y\n"
    mapped = {"mail": "EmailAddress", "TOWN": "city", "field4": f"CustomField{plan}", "FIELD5": str(everywhere)}

    job = await imports.post(data, mapped, FieldTerminator=";")

    assert job["TotalFailed"] == 0
    assert await imports.people() == [
        ("ada@example.com", "Subscribed", {str(city): "London", str(plan): "free"}),
        ("bob@example.com", "Subscribed", {str(city): "=Rome", str(plan): "pro"}),
    ]
    rows = await imports.rows(
        "SELECT email_address, custom_values FROM global_values WHERE owner_id = :owner ORDER BY 1",
        owner=imports.api.account.user_id if imports.api.account else 0,
    )
    assert [tuple(row) for row in rows] == [
        ("ada@example.com", {str(everywhere): "x"}),
        ("bob@example.com", {str(everywhere): "y"}),
    ]


async def test_who_is_on_the_list_stays_as_they_are_unless_duplicates_are_updated(imports: Imports) -> None:
    city = await _field(imports, "City")
    mapped = {"FIELD1": "EmailAddress", "FIELD2": str(city)}
    await imports.post("Ada@Example.com,London\ngone@example.com,Rome\n", mapped)
    gone = (await imports.api.ok("subscriber.exists", ListID=imports.list_id, EmailAddress="gone@example.com"))[
        "SubscriberID"
    ]
    await imports.api.ok(
        "subscriber.update", SubscriberListID=imports.list_id, SubscriberID=gone, SubscriptionStatus="Unsubscribed"
    )

    kept = await imports.post("ada@example.com,Paris\nADA@example.com,Bonn\n", mapped, Tags=["seen"])
    before = await imports.people()
    updated = await imports.post(
        "ada@example.com,Paris\nADA@example.com,\ngone@example.com,Wien\nnew@example.com,Linz\n",
        mapped,
        UpdateDuplicates=True,
        TriggerActions=True,
    )

    assert (kept["TotalImported"], kept["TotalDuplicates"]) == (0, 2)
    assert before == [
        ("Ada@Example.com", "Subscribed", {str(city): "London"}),
        ("gone@example.com", "Unsubscribed", {str(city): "Rome"}),
    ]
    assert (updated["TotalImported"], updated["TotalDuplicates"]) == (1, 3)
    assert await imports.people() == [
        ("Ada@Example.com", "Subscribed", {str(city): "Paris"}),
        ("gone@example.com", "Unsubscribed", {str(city): "Wien"}),
        ("new@example.com", "Subscribed", {str(city): "Linz"}),
    ]


async def _tags_of(imports: Imports) -> dict[str, set[str]]:
    rows = await imports.rows(
        "SELECT s.email_address, t.name FROM subscribers s JOIN subscriber_tags st USING (owner_id, subscriber_id) "
        "JOIN tags t USING (tag_id) WHERE s.list_id = :list",
        list=imports.list_id,
    )
    found: dict[str, set[str]] = {}
    for address, name in rows:
        found.setdefault(address, set()).add(name)
    return found


async def test_tags_are_given_to_everybody_and_to_single_people(imports: Imports) -> None:
    await imports.api.ok("subscriber.tags.create", ListID=imports.list_id, TagName="VIP")
    mapped = {"FIELD1": "EmailAddress", "FIELD2": "TagAdd", "FIELD3": "TagSync"}

    await imports.post(
        'ada@example.com,"vip, old",\nbob@example.com,,', {"FIELD1": "EmailAddress", "FIELD2": "TagAdd"}, Tags=["2025"]
    )
    first = await _tags_of(imports)
    await imports.post("ada@example.com,,new\nbob@example.com,more", mapped, Tags=["2025"], UpdateDuplicates=True)

    assert first == {"ada@example.com": {"2025", "VIP", "old"}, "bob@example.com": {"2025"}}
    assert await _tags_of(imports) == {"ada@example.com": {"2025", "new"}, "bob@example.com": {"2025", "more"}}


async def test_a_cell_that_no_tag_may_be_called_by_costs_its_line(imports: Imports) -> None:
    random = Random(1)
    # longer than an index takes, and not to be packed
    endless = "".join(random.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(9000))
    data = f"ada@example.com,vip\nbob@example.com,{endless}\ncy@example.com,a/b\n"

    for target in ("TagAdd", "TagSync"):
        job = await imports.post(data, {"FIELD1": "EmailAddress", "FIELD2": target})
        assert job["FailedLines"] == [
            {"Line": 2, "Reason": "no name of a tag"},
            {"Line": 3, "Reason": "no name of a tag"},
        ]

    assert await imports.addresses() == ["ada@example.com"]
    tags = await imports.rows("SELECT name FROM tags WHERE list_id = :list", list=imports.list_id)
    assert [row.name for row in tags] == ["vip"]


async def test_journeys_are_told_only_where_the_call_wants_it(imports: Imports) -> None:
    list_id = imports.list_id
    tag_id = (await imports.api.ok("subscriber.tags.create", ListID=list_id, TagName="vip"))["TagID"]
    journeys = []
    for trigger in (
        {"Trigger": "ListSubscription", "Trigger_ListID": list_id},
        {"Trigger": "Tag", "Trigger_ListID": list_id, "Trigger_Value": tag_id},
    ):
        journey_id = (await imports.api.ok("journey.create", Name="Told", **trigger))["JourneyID"]
        await imports.api.ok("journey.enable", JourneyID=journey_id)
        journeys.append(journey_id)

    await imports.post("quiet@example.com", Tags=["vip"])
    await imports.post("ada@example.com\nbob@example.com\nquiet@example.com", Tags=["VIP"], TriggerActions=True)

    for journey_id in journeys:
        rows = await imports.rows("SELECT email_address FROM enrollments WHERE journey_id = :id", id=journey_id)
        assert sorted(row.email_address for row in rows) == ["ada@example.com", "bob@example.com"]


async def test_a_list_that_wants_a_confirmation_gets_it_and_no_journey_starts_before(imports: Imports) -> None:
    await imports.api.ok("list.update", SubscriberListID=imports.list_id, OptInMode="Double")
    journey = await imports.api.ok(
        "journey.create", Name="Told", Trigger="ListSubscription", Trigger_ListID=imports.list_id
    )
    await imports.api.ok("journey.enable", JourneyID=journey["JourneyID"])

    await imports.post("silent@example.com")
    await imports.post("asked@example.com", TriggerActions=True)

    assert [status for _, status, _ in await imports.people()] == ["Opt-In Pending"] * 2
    rows = await imports.rows(
        "SELECT s.email_address FROM deliveries d JOIN subscribers s USING (owner_id, subscriber_id) "
        "WHERE d.list_id = :list AND d.kind = 'confirmation'",
        list=imports.list_id,
    )
    assert [row.email_address for row in rows] == ["asked@example.com"]
    assert await imports.rows("SELECT 1 FROM enrollments WHERE journey_id = :id", id=journey["JourneyID"]) == []


async def test_for_whom_the_account_has_no_room_the_line_is_told(imports: Imports) -> None:
    assert imports.api.account
    await imports.post("ada@example.com")
    async with imports.worker.sessions.begin() as session:
        await session.execute(
            text("UPDATE user_groups SET limit_subscribers = 2 WHERE group_id = :id"),
            {"id": imports.api.account.group_id},
        )

    await imports.api.ok("user.update", UserID=imports.api.account.user_id, WhiteListedEmailAddresses="^d")

    people = "ada@example.com\nbob@example.com\ncy@example.com\ndi@example.com"
    job = await imports.post(people, AddToSuppressionList=True)

    assert await imports.addresses() == ["ada@example.com", "bob@example.com"]
    reason = "the subscriber limit of the account is reached"
    assert job["FailedLines"] == [{"Line": line, "Reason": reason} for line in (3, 4)]
    suppressed = await imports.api.ok("suppression.browse", ListID=imports.list_id)
    assert list(suppressed["SuppressedEmails"]) == ["cy@example.com"]


async def test_an_import_to_a_list_that_is_deleted_meanwhile_fails_and_leaves_nothing_behind(imports: Imports) -> None:
    data = "".join(f"person{number}@example.com\n" for number in range(100))
    import_id = (await imports.api.ok("subscribers.import.post", **imports.parameters(data)))["ImportID"]

    await imports.api.ok("lists.delete", Lists=str(imports.list_id))
    await imports.work()

    (job,) = await imports.rows("SELECT state, reason FROM jobs WHERE job_id = :id", id=import_id)
    assert tuple(job) == ("failed", "List not found")
    assert await imports.rows("SELECT 1 FROM job_pieces WHERE job_id = :id", id=import_id) == []


async def test_the_record_of_an_import_is_deleted_when_its_time_has_come(imports: Imports) -> None:
    job = await imports.post("ada@example.com")

    imports.clock.instant += timedelta(days=31)
    await imports.worker.jobs.run_until_quiet()

    assert await imports.api.codes("subscribers.import.get", ListID=imports.list_id, ImportID=job["ImportID"]) == [7]
    assert await imports.addresses() == ["ada@example.com"]
