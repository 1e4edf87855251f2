"""Emails whose texts lie on other servers, from the call that names the address to the mail that arrives."""

import asyncio
import gzip
from email.message import EmailMessage
from typing import Any

import pytest

from journeys_api.delivery.egress import Egress
from journeys_api.delivery.remote_content import ContentUnavailable, RemoteContents
from tests.conftest import Client
from tests.delivery.egress.servers import HOME, NEXT_DOOR, Server, answer, serving, silence
from tests.engine.conftest import Audience, Work, running

LEAVE = "{{ Link:Unsubscribe }}"


async def mailed(api: Client, audience: Audience, work: Work, *addresses: str, **email: Any) -> int:
    """A journey with this email that each of the addresses has entered; its id."""
    email_id = int((await api.ok("email.create"))["EmailID"])
    await api.ok("email.update", **{"EmailID": email_id, "ValidateScope": "AutoResponder", "Subject": "Hello", **email})
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id})
    for address in addresses:
        await audience.enter(journey_id, await audience.subscribe(address))
    return journey_id


def part(mail: EmailMessage, kind: str) -> str:
    """The text of a mail's HTML or plain part."""
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def paths(server: Server) -> list[str]:
    return [call.line.split(" ")[1] for call in server.calls]


async def test_a_body_behind_an_address_is_fetched_and_personalized(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    page = b"<html><body><p>Dear {{ Subscriber:EmailAddress }}</p></body></html>"
    async with (
        serving(answer(200, page, "Content-Type: text/html")) as html,
        serving(
            answer(200, "Grüße, %EmailAddress%".encode("latin-1"), "Content-Type: text/plain; charset=latin1")
        ) as text,
    ):
        journey_id = await mailed(
            api,
            audience,
            work,
            address,
            FetchURL=html.url(path="/page?list=%List:Name%&who={{ Subscriber:EmailAddress }}"),
            FetchPlainURL=text.url(path="/plain"),
            OpenTracking=False,
        )
        await work.run()

    assert await work.deliveries(journey_id) == [("mail", "sent", None)]
    [mail] = work.mails_to(address)
    assert part(mail, "html").strip() == f"<html><body><p>Dear {address}</p></body></html>"
    assert part(mail, "plain").strip() == f"Grüße, {address}"
    assert paths(html) == [f"/page?list=News&who={address.replace('@', '%40')}"]
    assert html.calls[0].line.startswith("GET ")
    assert paths(text) == ["/plain"]


async def test_a_million_mails_of_one_address_are_a_few_fetches(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    people = [f"{number:02}.{address}" for number in range(20)]
    async with serving(answer(200, b"Hi {{ Subscriber:EmailAddress }}", "Content-Type: text/html")) as server:
        journey_id = await mailed(api, audience, work, *people, FetchURL=server.url())
        await work.run()

    assert len(await work.deliveries(journey_id)) == 20
    assert len(server.calls) == 1
    for person in people:
        assert f"Hi {person}" in work.mails_to(person)[0].as_string()


async def test_pieces_are_fetched_for_each_person_with_values_encoded(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    people = [f"a+{number}{address}" for number in range(3)]
    async with serving(answer(200, b"<b>for you: {{ Subscriber:EmailAddress }}</b>")) as server:
        piece = f"%RemoteContent={server.url(path='/piece')}?to=%Subscriber:EmailAddress%%"
        text = f"%RemoteContentBeforeSend={server.url(path='/text')}%"
        await mailed(api, audience, work, *people, HTMLContent=f"<p>{piece}</p>{LEAVE}", PlainContent=f"{text} {LEAVE}")
        await work.run()

    expected = [f"/piece?to={person.replace('@', '%40').replace('+', '%2B')}" for person in people]
    assert sorted(paths(server)) == sorted(["/text", *expected])
    for person in people:
        [mail] = work.mails_to(person)
        # what a server said is no template
        assert "<p><b>for you: {{ Subscriber:EmailAddress }}</b></p>" in part(mail, "html")


async def test_a_fetched_body_may_name_pieces(api: Client, audience: Audience, work: Work, address: str) -> None:
    async with serving(answer(200, b"[piece]")) as pieces:
        page = f"<p>%RemoteContent={pieces.url(path='/p')}%</p>".encode()
        async with serving(answer(200, page, "Content-Type: text/html; charset=utf-8")) as server:
            await mailed(api, audience, work, address, FetchURL=server.url())
            await work.run()

    assert "<p>[piece]</p>" in work.mails_to(address)[0].get_content()


async def test_tags_are_read_in_what_is_fetched_before_the_rest(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    async with serving(answer(200, b"[piece]")) as pieces:
        early = f"<i>%EmailAddress%</i>%RemoteContent={pieces.url(path='/p')}?e=%Subscriber:EmailAddress%%".encode()
        async with serving(answer(200, early)) as server:
            named = f"%RemoteContentBeforeSend={server.url(path='/early')}%"
            await mailed(api, audience, work, address, HTMLContent=f"<p>{named}</p>{LEAVE}", Subject=f"To {named}")
            await work.run()

    [mail] = work.mails_to(address)
    assert f"<p><i>{address}</i>[piece]</p>" in mail.get_content()
    assert mail["Subject"] == f"To <i>{address}</i>[piece]"
    assert paths(server) == ["/early"]
    assert paths(pieces) == [f"/p?e={address.replace('@', '%40')}"]


async def test_the_address_counts_in_mode_import_and_where_there_is_no_text(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    async with serving(answer(200, b"from afar")) as server:
        own = f"own text {LEAVE}"
        for number, (mode, content) in enumerate([("Editor", own), ("Import", own), ("Editor", "")]):
            email = {"Mode": mode, "HTMLContent": content, "FetchURL": server.url()}
            await mailed(api, audience, work, f"{number}.{address}", **email)
        await work.run()

    found = [work.mails_to(f"{number}.{address}")[0].get_content() for number in range(3)]
    assert ["own text" in text for text in found] == [True, False, False]
    assert ["from afar" in text for text in found] == [False, True, True]


async def test_a_piece_that_cannot_be_had_is_empty(api: Client, audience: Audience, work: Work, address: str) -> None:
    async with serving(answer(500, b"trouble")) as server:
        pieces = f"<p>[%RemoteContent={server.url()}%][%RemoteContent=http://nowhere.invalid/%]</p>"
        journey_id = await mailed(api, audience, work, address, HTMLContent=pieces + LEAVE)
        await work.run()

    assert await work.deliveries(journey_id) == [("mail", "sent", None)]
    assert "<p>[][]</p>" in work.mails_to(address)[0].get_content()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (answer(404, b"no such page"), "http_404"),
        (answer(302, b"", "Location: http://127.0.0.1/"), "http_302"),
        (answer(200, b" \n"), "empty"),
        (answer(200, b"\x89PNG", "Content-Type: image/png"), "answer_no_text"),
        (answer(200, gzip.compress(b"text"), "Content-Type: text/html", "Content-Encoding: gzip"), "answer_no_text"),
        (answer(200, b"x" * (1024 * 1024 + 1), "Content-Type: text/html"), "answer_too_large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut off", "answer_cut_off"),
    ],
)
async def test_a_mail_waits_for_its_body_and_never_goes_out_empty(
    api: Client, audience: Audience, work: Work, address: str, given: bytes, reason: str
) -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(given)
        await writer.drain()
        writer.close()

    async with serving(cut) as server:
        journey_id = await mailed(api, audience, work, address, FetchURL=server.url(path="/page"))
        await work.run()
        port = server.port

    assert await work.deliveries(journey_id) == [("mail", "pending", f"remote content: {reason}")]
    assert await work.ends(journey_id) == [("completed", None)], "no delivery's end moves anybody"
    assert work.mails_to(address) == []
    # the owner repairs the address, and the next step of the ladder finds it
    async with serving(answer(200, b"Here I am"), port=port):
        [(email_id,)] = await work.rows("SELECT email_id FROM deliveries WHERE journey_id = :j", j=journey_id)
        await api.ok(
            "email.update",
            EmailID=email_id,
            ValidateScope="AutoResponder",
            FetchURL=f"http://{HOME}:{port}/another",
        )
        await work.run(seconds=20)
        assert work.mails_to(address) == []
        await work.run(seconds=45)
    assert await work.deliveries(journey_id) == [("mail", "sent", None)]
    assert "Here I am" in work.mails_to(address)[0].get_content()


async def test_after_three_days_a_mail_without_its_body_is_given_up(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await mailed(api, audience, work, address, FetchURL=f"http://{HOME}:1/")
    for _ in range(25):
        await work.run(hours=4)

    assert await work.deliveries(journey_id) == [("mail", "refused", "remote content: url_port")]


async def test_too_many_pieces_are_refused(api: Client, audience: Audience, work: Work, address: str) -> None:
    many = "".join(f"%RemoteContent=http://{HOME}/{number}%" for number in range(21))
    journey_id = await mailed(api, audience, work, address, HTMLContent=many + LEAVE)
    await work.run()

    assert await work.deliveries(journey_id) == [("mail", "refused", "more than 20 remote contents")]


async def test_nothing_is_fetched_inside_a_transaction(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    open_ones: list[int] = []

    async def look(writer: asyncio.StreamWriter) -> None:
        [(count,)] = await work.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()"
        )
        open_ones.append(count)
        writer.write(answer(200, b"text"))
        await writer.drain()

    async with serving(look) as server:
        await mailed(api, audience, work, address, FetchURL=server.url())
        await work.run()

    assert open_ones == [0]
    assert len(work.mails_to(address)) == 1


async def outcome(contents: RemoteContents, url: str) -> str:
    try:
        return (await contents.fetch(url)).text
    except ContentUnavailable as unavailable:
        return f"! {unavailable}"


async def test_private_addresses_are_never_called() -> None:
    contents = RemoteContents(Egress(allow_private=False))
    async with serving() as server:
        found = [
            await outcome(contents, url)
            for url in (server.url(), server.url("localhost"), "http://169.254.169.254/latest", "file:///etc/passwd")
        ]

    assert found == ["! address_not_public"] * 3 + ["! url_scheme"]
    assert server.accepted == 0


async def test_who_asks_for_what_is_being_fetched_waits_for_it_and_hosts_are_asked_so_often_at_once() -> None:
    contents = RemoteContents(Egress(allow_private=True))
    asked = asyncio.Semaphore(0)
    release = asyncio.Event()

    async def wait(writer: asyncio.StreamWriter) -> None:
        asked.release()
        await release.wait()
        writer.write(answer(200, b"text"))
        await writer.drain()

    async with serving(wait) as one, serving(wait, host=NEXT_DOOR) as other, asyncio.timeout(20):
        same = [asyncio.create_task(contents.fetch(one.url(path="/same"))) for _ in range(50)]
        each = [asyncio.create_task(contents.fetch(one.url(path=f"/{number}"))) for number in range(50)]
        elsewhere = asyncio.create_task(contents.fetch(other.url(NEXT_DOOR)))
        for _ in range(8 + 1):
            await asked.acquire()
        assert (len(one.calls), one.accepted, len(other.calls)) == (8, 8, 1)
        release.set()
        texts = {(await task).text for task in (*same, *each, elsewhere)}

    assert texts == {"text"}
    assert len(one.calls) == 51
    assert paths(one).count("/same") == 1


async def test_who_gives_up_takes_nobody_along_and_holds_no_place() -> None:
    contents = RemoteContents(Egress(allow_private=True))
    asked = asyncio.Semaphore(0)

    async def never(writer: asyncio.StreamWriter) -> None:
        asked.release()
        await silence(writer)

    async with serving(never) as server, asyncio.timeout(20):
        people = [asyncio.create_task(contents.fetch(server.url())) for _ in range(20)]
        for person in people:
            await asked.acquire()
            assert not any(other.done() for other in people if other is not person and not other.cancelled())
            person.cancel()
        gone = await asyncio.gather(*people, return_exceptions=True)

    assert all(isinstance(each, asyncio.CancelledError) for each in gone)
    assert len(server.calls) == 20


async def test_a_host_that_is_away_is_left_alone_for_a_while() -> None:
    contents = RemoteContents(Egress(allow_private=True))
    async with serving() as server:
        pass
    assert await outcome(contents, server.url(path="/1")) == "! connect_failed"
    async with serving(port=server.port) as again:
        assert await outcome(contents, again.url(path="/2")) == "! connect_failed"
        assert again.accepted == 0


async def test_the_oldest_of_too_much_is_forgotten() -> None:
    contents = RemoteContents(Egress(allow_private=True, max_response_bytes=1024 * 1024))
    async with serving(answer(200, b"x" * 900_000)) as server:
        for number in range(40):
            await contents.fetch(server.url(path=f"/{number}"))
        await contents.fetch(server.url(path="/39"))
        assert len(server.calls) == 40
        await contents.fetch(server.url(path="/0"))
        assert len(server.calls) == 41
