"""One attempt at a webhook: what is received, and what each end of it means."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from journeys_api.delivery.egress import Egress
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.webhooks import LONGEST_BODY, Hook, send, sign
from tests.delivery.egress.servers import ScriptedNames, answer, serving, silence

SECRET = "a secret"
HOOK = Hook(url="", body=b'{"a":1}', delivery_id="d-17", secret=SECRET, headers={"X-Own": "1"})
OUT = Egress(allow_private=True, total_deadline=timedelta(seconds=5))
IMPATIENT = Egress(allow_private=True, total_deadline=timedelta(seconds=1.5))


async def attempt(hook: Hook, out: Egress = OUT) -> Outcome:
    """Send it now."""
    return await send(out, hook, now=datetime.now(UTC))


async def test_what_is_received_can_be_verified_both_ways() -> None:
    async with serving() as server:
        outcome = await attempt(replace(HOOK, url=server.url(path="/a")))

    (call,) = server.calls
    assert outcome.ending is Ending.ACCEPTED
    assert call.line == "POST /a HTTP/1.1"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["x-own"] == "1"
    assert call.headers["x-octeth-signature"] == sign(call.body, SECRET)
    assert Webhook(SECRET.encode()).verify(call.body, call.headers) == {"a": 1}


async def test_every_attempt_has_the_same_id_and_a_time_of_its_own() -> None:
    hook = replace(HOOK, signature_header="X-Sig", headers={"Content-Type": "application/vnd.x+json"})
    async with serving() as server:
        for second in range(3):
            at = datetime(2024, 1, 1, 0, 0, second, tzinfo=UTC)
            await send(OUT, replace(hook, url=server.url()), now=at)

    assert {call.headers["webhook-id"] for call in server.calls} == {"d-17"}
    assert len({call.headers["webhook-timestamp"] for call in server.calls}) == 3
    assert server.calls[0].headers["x-sig"] == sign(b'{"a":1}', SECRET)
    assert server.calls[0].headers["content-type"] == "application/vnd.x+json"


@pytest.mark.parametrize("secret", [None, ""])
async def test_a_hook_without_security_is_not_signed(secret: str | None) -> None:
    async with serving() as server:
        await attempt(replace(HOOK, url=server.url(), secret=secret))

    headers = server.calls[0].headers
    assert headers["webhook-id"] == "d-17"
    assert not [name for name in headers if "signature" in name]


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        *((status, Ending.ACCEPTED) for status in (200, 201, 202, 204, 299)),
        *((status, Ending.REFUSED) for status in (301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422)),
        *((status, Ending.DEFERRED) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
    ],
)
async def test_each_status_has_its_meaning(status: int, ending: Ending) -> None:
    async with serving(answer(status, b"", "Location: http://127.0.0.1:9/", "Retry-After: 7")) as server:
        outcome = await attempt(replace(HOOK, url=server.url()))

    wait = 7 if ending is Ending.DEFERRED else None
    assert outcome == Outcome(ending, f"http_{status}", retry_after=wait)
    assert server.accepted == 1


async def test_where_nobody_listens_it_is_tried_again() -> None:
    async with serving() as gone:
        pass

    assert await attempt(replace(HOOK, url=gone.url())) == Outcome(Ending.DEFERRED, "connect_failed")


async def test_silence_after_the_request_leaves_open_what_happened() -> None:
    async with serving(silence) as server:
        outcome = await attempt(replace(HOOK, url=server.url()), IMPATIENT)

    assert outcome == Outcome(Ending.UNKNOWN, "timed_out")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"headers": {"Host": "x"}}, "header_denied"),
        ({"headers": {"X": "a\nb"}}, "header_value"),
        ({"signature_header": "Host"}, "signature_header"),
        ({"signature_header": "X-Own"}, "header_denied"),
        ({"body": b"x" * (LONGEST_BODY + 1)}, "body_too_large"),
        ({"url": "http://u:p@h.example/"}, "url_userinfo"),
        ({"url": ""}, "url_characters"),
    ],
)
async def test_a_hook_that_cannot_be_sent_is_refused_and_nothing_leaves(change: dict[str, object], reason: str) -> None:
    async with serving() as server:
        hook = replace(HOOK, **{"url": server.url(), **change})  # type: ignore[arg-type]
        outcome = await attempt(hook)

    assert outcome == Outcome(Ending.REFUSED, reason)
    assert server.accepted == 0


async def test_a_hook_to_the_inside_is_refused_for_good() -> None:
    guarded = Egress(allow_private=False, resolver=ScriptedNames([["127.0.0.1"]]))
    async with serving() as canary:
        outcomes = [await attempt(replace(HOOK, url=canary.url(host)), guarded) for host in ("127.0.0.1", "h.example")]

    assert outcomes == [Outcome(Ending.REFUSED, "address_not_public")] * 2
    assert canary.accepted == 0


def test_a_hook_shows_neither_its_secret_nor_where_it_goes() -> None:
    shown = repr(replace(HOOK, url="https://h.example/?token=x"))

    assert SECRET not in shown
    assert "token" not in shown
    assert "X-Own" not in shown
