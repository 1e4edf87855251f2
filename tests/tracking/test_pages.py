"""The pages behind the links of mails, and `subscriber.optin`: who is subscribed and unsubscribed by them."""

import re
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from journeys_api.app import Application
from journeys_api.links.tokens import Kind, sign
from journeys_api.models import Delivery, TriggerEvent
from tests.conftest import SECRET_KEY, Client
from tests.subscribers.people import IP, LARGEST_ID, anonymous, create, get, make_list, scopes, statuses

ANN = "ann@example.com"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ACT = {
    Kind.CONFIRM: "Act=confirm",
    Kind.REJECT: "Act=reject",
    Kind.UNSUBSCRIBE: "Act=unsubscribe",
    Kind.SUPPRESS: "Act=suppress",
    Kind.REPORT_ABUSE: "Act=report_abuse",
}


def link(client: Client, kind: Kind, list_id: int, subscriber_id: int) -> str:
    assert client.account
    return f"/t/{kind.value}/{sign(SECRET_KEY.encode(), kind, client.account.user_id, list_id, subscriber_id, 77)}"


def code(client: Client, list_id: int, subscriber_id: int) -> str:
    assert client.account
    return sign(SECRET_KEY.encode(), Kind.CONFIRM, client.account.user_id, list_id, subscriber_id)


async def act(client: Client, kind: Kind, list_id: int, subscriber_id: int) -> httpx.Response:
    return await client.http.post(link(client, kind, list_id, subscriber_id), content=ACT[kind], headers=FORM)


async def sign_up(client: Client, list_id: int, address: str = ANN) -> int:
    answer = await anonymous(client, "subscriber.subscribe", ListID=list_id, EmailAddress=address, IPAddress=IP)
    return int(answer["SubscriberID"])


async def events(app: Application, client: Client) -> list[tuple[str, int, int, int]]:
    assert client.account
    async with app.sessions.begin() as session:
        found = await session.scalars(
            select(TriggerEvent).where(TriggerEvent.owner_id == client.account.user_id).order_by(TriggerEvent.event_id)
        )
        return [(each.kind, each.list_id, each.subscriber_id, each.depth) for each in found]


async def owed(app: Application, client: Client) -> list[tuple[int, int, int | None]]:
    """The confirmations owed: list, subscriber, email."""
    assert client.account
    async with app.sessions.begin() as session:
        found = await session.scalars(
            select(Delivery).where(Delivery.owner_id == client.account.user_id).order_by(Delivery.delivery_id)
        )
        rows = found.all()
    assert {(each.kind.value, each.state.value) for each in rows} <= {("confirmation", "pending")}
    return [(each.list_id, each.subscriber_id, each.email_id) for each in rows]


async def make_email(client: Client) -> int:
    return int((await client.ok("email.create"))["EmailID"])


async def test_a_double_opt_in_is_owed_a_mail_and_confirmed_by_its_link(app: Application, api: Client) -> None:
    email_id = await make_email(api)
    list_id = await make_list(api, OptInMode="Double", OptInConfirmationEmailID=email_id)

    ann = await sign_up(api, list_id)
    before = await events(app, api)
    page = await act(api, Kind.CONFIRM, list_id, ann)

    assert await owed(app, api) == [(list_id, ann, email_id)]
    assert before == []
    assert page.status_code == 200
    assert await statuses(api, list_id) == {ANN: "Subscribed"}
    assert (await get(api, list_id, ANN))["OptInDate"] > "2020"
    assert await events(app, api) == [("ListSubscription", list_id, ann, 0)]


@pytest.mark.parametrize("kind", ACT)
async def test_looking_at_a_link_changes_nothing(app: Application, api: Client, kind: Kind) -> None:
    list_id = await make_list(api, OptInMode="Double")
    ann = await sign_up(api, list_id)
    url = link(api, kind, list_id, ann)

    looks = [await api.http.request(method, url) for method in ("GET", "HEAD") * 3]
    wrong = [
        await api.http.post(url, content=body, headers=FORM)
        for body in (
            "",
            "List-Unsubscribe=Two-Click",
            "Act=",
            "Act=other",
            "Act=x" + "y" * 20_000,
            "Act[]=confirm",
            "%ff",
        )
    ]
    other = await api.http.post(url, content=b"\xff", headers={"Content-Type": "text/plain"})

    assert {answer.status_code for answer in [*looks, *wrong, other]} == {200}
    assert all('<form method="post">' in answer.text for answer in [looks[0], *wrong, other])
    assert await statuses(api, list_id) == {ANN: "Opt-In Pending"}
    assert await events(app, api) == []


async def test_confirming_again_changes_nothing_more(app: Application, api: Client) -> None:
    other = await make_list(api)
    list_id = await make_list(api, OptInMode="Double", OptInSubscribeTo=other)
    ann = await sign_up(api, list_id)

    pages = [await act(api, Kind.CONFIRM, list_id, ann) for _ in range(3)]

    assert [page.status_code for page in pages] == [200, 200, 200]
    assert len({re.sub('nonce="[^"]*"', "", page.text) for page in pages}) == 1
    told = await events(app, api)
    assert [event[:2] for event in told] == [("ListSubscription", list_id), ("ListSubscription", other)]
    assert await statuses(api, other) == {ANN: "Subscribed"}


async def test_a_confirmation_takes_the_person_off_the_other_list(app: Application, api: Client) -> None:
    other = await make_list(api)
    there = await create(api, other, ANN)
    list_id = await make_list(api, OptInMode="Double", OptInUnsubscribeFrom=other)
    ann = await sign_up(api, list_id)

    await act(api, Kind.CONFIRM, list_id, ann)

    assert await statuses(api, other) == {ANN: "Unsubscribed"}
    assert ("ListUnsubscription", other, there, 0) in await events(app, api)


async def test_a_rejected_subscription_never_counted(app: Application, api: Client) -> None:
    list_id = await make_list(api, OptInMode="Double", OptOutAddToSuppressionList="Yes")
    ann = await sign_up(api, list_id)

    rejected = [await act(api, Kind.REJECT, list_id, ann) for _ in range(2)]
    late = await act(api, Kind.CONFIRM, list_id, ann)

    assert [page.status_code for page in rejected] == [200, 200]
    assert late.status_code == 410
    assert await statuses(api, list_id) == {ANN: "Unsubscribed"}
    assert await scopes(api, ANN, ListID=list_id) == []
    assert await events(app, api) == []


async def test_who_rejects_after_confirming_leaves(app: Application, api: Client) -> None:
    list_id = await make_list(api, OptInMode="Double")
    ann = await sign_up(api, list_id)
    await act(api, Kind.CONFIRM, list_id, ann)

    await act(api, Kind.REJECT, list_id, ann)

    assert await statuses(api, list_id) == {ANN: "Unsubscribed"}
    assert [event[0] for event in await events(app, api)] == ["ListSubscription", "ListUnsubscription"]


async def test_who_comes_back_is_asked_again(app: Application, api: Client) -> None:
    list_id = await make_list(api, OptInMode="Double")
    ann = await sign_up(api, list_id)
    await act(api, Kind.REJECT, list_id, ann)

    assert await sign_up(api, list_id) == ann
    await act(api, Kind.CONFIRM, list_id, ann)

    assert await owed(app, api) == [(list_id, ann, None)] * 2
    assert await statuses(api, list_id) == {ANN: "Subscribed"}


@pytest.mark.parametrize("is_multipart", [False, True])
async def test_one_click_unsubscribes_at_once(app: Application, api: Client, is_multipart: bool) -> None:
    third = await make_list(api)
    await create(api, third, ANN)
    list_id = await make_list(api, OptOutScope="All lists", OptOutAddToSuppressionList="Yes")
    ann = await create(api, list_id, ANN)
    part = '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    body = part if is_multipart else "List-Unsubscribe=One-Click"
    headers = {"Content-Type": "multipart/form-data; boundary=x"} if is_multipart else FORM

    answers = [
        await api.http.post(link(api, Kind.UNSUBSCRIBE, list_id, ann), content=body, headers=headers) for _ in range(2)
    ]

    assert [(answer.status_code, "location" in answer.headers) for answer in answers] == [(200, False)] * 2
    assert "<form" not in answers[0].text
    assert await statuses(api, list_id) == {ANN: "Unsubscribed"}
    assert await statuses(api, third) == {ANN: "Unsubscribed"}
    assert await scopes(api, ANN, ListID=list_id) == ["PerList"]
    assert sorted(event[:2] for event in await events(app, api)) == sorted(
        ("ListUnsubscription", each) for each in (list_id, third)
    )


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("List-Unsubscribe=One-Click\r\n", FORM),
        ("List-Unsubscribe=One-Click\n", FORM),
        ("List-Unsubscribe=One-Click", {}),
        ("List-Unsubscribe=One-Click\r\n", {"Content-Type": ""}),
    ],
)
async def test_one_click_is_understood_with_a_line_end_and_without_a_type(
    api: Client, body: str, headers: dict[str, str]
) -> None:
    list_id = await make_list(api)
    ann = await create(api, list_id, ANN)

    answer = await api.http.post(link(api, Kind.UNSUBSCRIBE, list_id, ann), content=body, headers=headers)

    assert (answer.status_code, "<form" in answer.text) == (200, False)
    assert await statuses(api, list_id) == {ANN: "Unsubscribed"}


@pytest.mark.parametrize("kind", [Kind.CONFIRM, Kind.REJECT])
async def test_one_click_is_for_unsubscribing_only(api: Client, kind: Kind) -> None:
    list_id = await make_list(api, OptInMode="Double")
    ann = await sign_up(api, list_id)

    await api.http.post(link(api, kind, list_id, ann), content="List-Unsubscribe=One-Click", headers=FORM)

    assert await statuses(api, list_id) == {ANN: "Opt-In Pending"}


async def test_the_button_of_the_page_unsubscribes_and_leads_on(api: Client) -> None:
    onward = "https://shop.example/bye?a=1&b=2"
    list_id = await make_list(api, Name="<b>News</b> & more", UnsubscriptionConfirmedPageURL=onward)
    ann = await create(api, list_id, ANN)
    url = link(api, Kind.UNSUBSCRIBE, list_id, ann)

    page = await api.http.get(url)
    button = re.search(r'name="(\w+)" value="(\w+)"', page.text)
    assert button
    done = await api.http.post(url, data={button[1]: button[2]})

    assert "&lt;b&gt;News&lt;/b&gt; &amp; more" in page.text
    assert "<b>" not in page.text
    assert 'href="https://shop.example/bye?a=1&amp;b=2"' in done.text
    assert await statuses(api, list_id) == {ANN: "Unsubscribed"}


async def test_a_page_never_leads_to_a_script(api: Client) -> None:
    list_id = await make_list(api, UnsubscriptionConfirmedPageURL="javascript:alert(1)")
    ann = await create(api, list_id, ANN)

    done = await act(api, Kind.UNSUBSCRIBE, list_id, ann)

    assert "javascript:" not in done.text


async def test_every_page_is_hardened(api: Client) -> None:
    list_id = await make_list(api)
    ann = await create(api, list_id, ANN)
    url = link(api, Kind.UNSUBSCRIBE, list_id, ann)

    answers = [await api.http.get(url), await act(api, Kind.UNSUBSCRIBE, list_id, ann), await api.http.get("/t/u/x")]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        nonce = re.search("'nonce-([^']+)'", policy)
        assert nonce
        assert f'nonce="{nonce[1]}"' in answer.text
        for directive in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"):
            assert directive in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert ANN not in answer.text


async def test_forged_links_and_links_to_what_is_gone_lead_nowhere(api: Client) -> None:
    list_id = await make_list(api)
    ann = await create(api, list_id, ANN)
    good = link(api, Kind.CONFIRM, list_id, ann)
    changed = good[:-1] + ("A" if good[-1] != "A" else "B")
    other_kind = good.replace("/t/c/", "/t/u/")
    gone = [link(api, kind, list_id, LARGEST_ID) for kind in ACT]
    no_list = [link(api, kind, LARGEST_ID, ann) for kind in ACT]

    for url in (
        changed,
        other_kind,
        good + "A",
        "/t/c/x",
        "/t/z/x",
        "/t/k/x",
        "/t/b/x",
        "/t/f/x",
        "/t/p/x",
        "/t/c/%00",
        "/t/c/%FF",
        *no_list,
    ):
        assert (await api.http.get(url)).status_code == 404, url
    for url in (changed, other_kind, *gone[:2], *no_list[:2]):
        content = "Act=confirm&List-Unsubscribe=One-Click" if "/c/" in url else "Act=reject"
        assert (await api.http.post(url, content=content, headers=FORM)).status_code == 404, url
    # whoever is gone has left
    again = await api.http.post(gone[2], content=ACT[Kind.UNSUBSCRIBE], headers=FORM)
    assert again.status_code == 200
    assert await statuses(api, list_id) == {ANN: "Subscribed"}


async def test_the_code_of_the_link_opts_in(app: Application, api: Client) -> None:
    page = "https://shop.example/welcome"
    list_id = await make_list(api, OptInMode="Double", SubscriptionConfirmedPageURL=page)
    ann = await sign_up(api, list_id)
    given = {"ListID": list_id, "SubscriberID": ann, "ConfirmationCode": code(api, list_id, ann)}

    answers = [await anonymous(api, "subscriber.optin", **given) for _ in range(2)]

    assert answers == [{"Success": True, "ErrorCode": 0, "ErrorText": "", "RedirectURL": page}] * 2
    assert await statuses(api, list_id) == {ANN: "Subscribed"}
    assert await events(app, api) == [("ListSubscription", list_id, ann, 0)]


async def test_opt_ins_that_cannot_be_are_refused(app: Application, api: Client) -> None:
    list_id = await make_list(api, OptInMode="Double")
    ann, bob = await sign_up(api, list_id), await sign_up(api, list_id, "bob@example.com")
    await act(api, Kind.REJECT, list_id, bob)
    good = {"ListID": list_id, "SubscriberID": ann, "ConfirmationCode": code(api, list_id, ann)}

    async def refused(**more: Any) -> list[int]:
        answer = await anonymous(api, "subscriber.optin", **{**good, **more})
        assert answer["Success"] is False
        assert len(answer["ErrorText"]) == len(answer["ErrorCode"])
        codes: list[int] = answer["ErrorCode"]
        return codes

    assert await refused(ListID="", SubscriberID=None, ConfirmationCode="") == [1, 2, 3]
    assert await refused(ConfirmationCode=["x"]) == [4]
    for wrong in ("x", "a\x00", code(api, list_id, bob), code(api, LARGEST_ID, ann), "0" * 100_000):
        assert await refused(ConfirmationCode=wrong) == [4]
    assert await refused(ListID="x", SubscriberID=2**63) == [5]
    for unknown in ({"ListID": LARGEST_ID}, {"SubscriberID": LARGEST_ID}, {"SubscriberID": 0}):
        assert await refused(**unknown) == [5]
    assert await refused(SubscriberID=bob, ConfirmationCode=code(api, list_id, bob)) == [4]
    assert await statuses(api, list_id) == {ANN: "Opt-In Pending", "bob@example.com": "Unsubscribed"}
    assert await events(app, api) == []


async def test_create_owes_a_confirmation_when_it_is_told_to(app: Application, api: Client) -> None:
    own, chosen = await make_email(api), await make_email(api)
    list_id = await make_list(api, OptInMode="Double", OptInConfirmationEmailID=own)
    pending = {"Status": "Opt-In Pending"}

    await create(api, list_id, "quiet@example.com", **pending)
    await create(api, list_id, "subscribed@example.com", SendConfirmationEmail=True)
    first = await create(api, list_id, "first@example.com", **pending, SendConfirmationEmail=True)
    second = await create(
        api, list_id, "second@example.com", **pending, SendConfirmationEmail=True, OptInConfirmationEmailID=chosen
    )

    assert await owed(app, api) == [(list_id, first, own), (list_id, second, chosen)]
