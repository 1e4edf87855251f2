"""One call: what arrives, and how hostile answers end."""

import asyncio
import ssl
from datetime import timedelta

import pytest
import trustme

from journeys_api.delivery.egress import Egress, EgressFailed, EgressRefused, Response
from tests.delivery.egress.servers import (
    HOME,
    OK,
    Answer,
    ScriptedNames,
    SilentNames,
    answer,
    repeating,
    serving,
    silence,
)

SHORT = timedelta(seconds=1.5)


def egress(**settings: object) -> Egress:
    """An egress to this machine whose names all mean it."""
    given = {"allow_private": True, "resolver": ScriptedNames([[HOME]]), "total_deadline": timedelta(seconds=5)}
    return Egress(**{**given, **settings})  # type: ignore[arg-type]


async def post(out: Egress, url: str, headers: dict[str, str] | None = None, body: bytes = b"{}") -> Response:
    """One call."""
    return await out.request("POST", url, headers=headers or {}, body=body)


async def test_a_call_arrives_as_it_was_made_and_nothing_else_with_it() -> None:
    async with serving() as server:
        response = await post(egress(), server.url("hook.example", "/a?b=c"), {"X-Own": "1 2"}, b'{"a": 1}')

    assert (response.status, response.body, response.is_complete) == (200, b"ok", True)
    (call,) = server.calls
    assert call.line == "POST /a?b=c HTTP/1.1"
    assert call.body == b'{"a": 1}'
    assert sorted(call.fields) == [
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
        ("Content-Length", "8"),
        ("Host", f"hook.example:{server.port}"),
        ("User-Agent", "journeys-api"),
        ("X-Own", "1 2"),
    ]


async def test_every_call_has_a_connection_of_its_own_and_keeps_no_cookie() -> None:
    out = egress()
    async with serving(answer(200, b"", "Set-Cookie: a=b", "Connection: keep-alive")) as server:
        await post(out, server.url())
        await post(out, server.url())

    assert server.accepted == 2
    assert "cookie" not in server.calls[1].headers


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server, serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{HOME}:{proxy.port}")
        await post(egress(), server.url())

    assert (server.accepted, proxy.accepted) == (1, 0)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "other.example"},
        {"transfer-encoding": "chunked"},
        {"Content-Length": "0"},
        {"Connection": "upgrade"},
        {"X Y": "1"},
        {"X\r\nHost": "1"},
        {"": "1"},
        {"X": "a\r\nHost: b"},
        {"X": "a\nb"},
        {"X": "a\x00"},
        {"X": "ä"},
        {"X": " a"},
        {"X": "1", "x": "2"},
    ],
)
async def test_a_header_that_is_ours_or_could_become_two_is_refused(headers: dict[str, str]) -> None:
    async with serving() as server:
        with pytest.raises(EgressRefused, match=r"^header_(name|value)$"):
            await post(egress(), server.url(), headers)

    assert server.accepted == 0


@pytest.mark.parametrize("status", [204, 302, 404, 500])
async def test_every_status_is_an_answer_and_no_redirect_is_followed(status: int) -> None:
    async with serving() as canary:
        elsewhere = f"Location: http://{HOME}:{canary.port}/"
        body = b"" if status == 204 else b"x"
        async with serving(answer(status, body, elsewhere)) as server:
            response = await post(egress(), server.url())

    assert response.status == status
    assert canary.accepted == 0


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_a_compressed_body_stays_as_it_is(coding: str) -> None:
    bomb = bytes(range(256))
    async with serving(answer(200, bomb, f"Content-Encoding: {coding}")) as server:
        response = await post(egress(), server.url())

    assert response.body == bomb


async def test_reading_stops_where_the_body_is_too_long() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    async with serving(repeating(head, b"x" * 65536)) as server:
        response = await post(egress(), server.url())

    assert response.status == 200
    assert not response.is_complete
    assert 0 < len(response.body) <= 64 * 1024


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (repeating(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"y" * 100 + b"\r\n"), "answer_too_large"),
        (repeating(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 100), "answer_too_large"),
        (repeating(b"", b"HTTP/1.1 103 Early\r\n\r\n"), "answer_too_large"),
        (b"SSH-2.0-x\r\n\r\n", "answer_malformed"),
        (b"HTTP/1.1 200 OK\r\nX y: z\r\n\r\n", "answer_malformed"),
        (silence, "timed_out"),
        (repeating(b"HTTP/1.1 200 OK\r\nX: ", b"y", pause=0.01), "timed_out"),
    ],
)
async def test_after_the_request_a_missing_answer_leaves_open_what_happened(said: Answer, reason: str) -> None:
    async with serving(said) as server:
        with pytest.raises(EgressFailed, match=f"^{reason}$") as failed:
            await post(egress(total_deadline=SHORT if reason == "timed_out" else timedelta(seconds=10)), server.url())

    assert failed.value.sent
    assert len(server.calls) == 1


async def test_a_connection_closed_without_an_answer_leaves_open_what_happened() -> None:
    async def leave(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serving(leave) as server:
        with pytest.raises(EgressFailed) as failed:
            await post(egress(), server.url())

    assert failed.value.sent
    assert failed.value.reason in {"connection_broken", "answer_malformed"}


async def test_a_status_counts_though_its_body_drips_until_the_deadline() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    async with serving(repeating(head, b"x", pause=0.01)) as server:
        async with asyncio.timeout(60):
            response = await post(egress(total_deadline=SHORT), server.url())

    assert (response.status, response.is_complete) == (200, False)


async def test_a_request_that_was_not_taken_whole_was_not_sent() -> None:
    async with serving(silence, is_deaf=True) as server:
        with pytest.raises(EgressFailed, match=r"^timed_out$") as failed:
            await post(egress(total_deadline=SHORT), server.url(), body=b"x" * 50_000_000)

    assert not failed.value.sent


async def test_where_nobody_listens_nothing_was_sent() -> None:
    async with serving() as gone:
        pass

    with pytest.raises(EgressFailed, match=r"^connect_failed$") as failed:
        await post(egress(), gone.url())

    assert not failed.value.sent


async def test_a_silent_name_server_holds_a_call_no_longer_than_its_deadline() -> None:
    with pytest.raises(EgressFailed, match=r"^timed_out$") as failed:
        await post(egress(resolver=SilentNames(), total_deadline=SHORT), "http://hook.example/")

    assert not failed.value.sent


async def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    async with serving() as server:
        response = await post(egress(resolver=ScriptedNames([["127.0.0.3", HOME]])), server.url("hook.example"))

    assert response.status == 200


def tls_pair(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for the names, and a client's that trusts its authority."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*names).configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def test_the_certificate_is_that_of_the_name_and_not_of_the_address() -> None:
    tls, trusting = tls_pair("hook.example")
    asked: list[str | None] = []
    tls.sni_callback = lambda _, name, __: asked.append(name)
    async with serving(tls=tls) as server:
        response = await post(egress(tls=trusting), server.url("hook.example", scheme="https"))

    assert response.status == 200
    assert asked == ["hook.example"]


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_certificate_that_proves_nothing_ends_the_call_before_it_is_made(trusted: bool) -> None:
    tls, trusting = tls_pair("other.example" if trusted else "hook.example")
    out = egress(tls=trusting) if trusted else egress()
    async with serving(tls=tls) as server:
        with pytest.raises(EgressFailed, match=r"^tls_failed$") as failed:
            await post(out, server.url("hook.example", scheme="https"))

    assert not failed.value.sent
    assert server.calls == []


async def test_a_handshake_that_nobody_answers_ends_with_the_deadline() -> None:
    async with serving(silence, is_deaf=True) as server:
        with pytest.raises(EgressFailed, match=r"^timed_out$") as failed:
            await post(egress(total_deadline=SHORT), server.url(scheme="https"))

    assert not failed.value.sent


async def test_what_a_person_may_read_of_an_answer_is_short_and_clean() -> None:
    body = b"no\x1b[2J\r\n\xff" + b"x" * 600 + b"SECRET"
    async with serving(answer(500, body, "X-Secret: 1", "Content-Type: text/plain")) as server:
        response = await post(egress(), server.url())

    assert response.excerpt.startswith("no [2J \N{REPLACEMENT CHARACTER}xxx")
    assert len(response.excerpt) <= 512
    assert dict(response.headers) == {"content-type": "text/plain"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), None),
        (("Retry-After: 120",), 120),
        (("Retry-After: 999999999999999999999",), 86400),
        (("Retry-After: -5",), None),
        (("Retry-After: soon",), None),
        (("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT",), None),
        (("Date: Fri, 31 Dec 1999 23:59:00 GMT", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"), 59),
        (("Date: Fri, 31 Dec 1999 23:59:00 GMT", "Retry-After: Fri, 31 Dec 1998 23:59:59 GMT"), 0),
        (("Date: Fri, 31 Dec 1999 23:59:00 GMT", "Retry-After: Fri, 31 Dec 2099 23:59:59 GMT"), 86400),
    ],
)
async def test_the_wait_asked_for_is_at_most_a_day(headers: tuple[str, ...], seconds: int | None) -> None:
    async with serving(answer(503, b"", *headers)) as server:
        response = await post(egress(), server.url())

    assert response.retry_after == seconds


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nyes")
        writer.close()

    async with serving(say) as server:
        response = await post(egress(), server.url())

    assert (response.body, response.is_complete) == (b"yes", True)


async def test_an_early_refusal_of_a_long_request_is_an_answer() -> None:
    async with serving(OK.replace(b"200 OK", b"413 No"), is_deaf=True) as server:
        response = await post(egress(), server.url(), body=b"x" * 100_000)

    assert response.status == 413
