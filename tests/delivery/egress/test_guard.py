"""Nothing inside is reached, whichever way its address comes; a listener inside counts who knocks."""

import threading
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from journeys_api.delivery.egress import Egress, EgressFailed, EgressRefused
from journeys_api.delivery.resolving import NameNotResolved, SystemResolver
from tests.delivery.egress.servers import HOME, NEXT_DOOR, ScriptedNames, answer, serving

OUTSIDE = [ip_network(f"{NEXT_DOOR}/32")]
"""Stands for the internet in these tests: an address that may be called, on this machine."""


def guarded(*answers: list[str]) -> tuple[Egress, ScriptedNames]:
    """An egress that may call NEXT_DOOR, and HOME no more than anybody else inside."""
    names = ScriptedNames(answers or [[HOME]])
    deadline = timedelta(seconds=5)
    return Egress(allow_private=False, resolver=names, allowed_networks=OUTSIDE, total_deadline=deadline), names


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "0", "0.0.0.0", "[::1]"),
        *("[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::]", "localhost", "LOCALHOST", "LOCALHOST."),
        *("a.localhost", "169.254.169.254", "metadata.google.internal", "printer.local", "inside.example"),
    ],
)
async def test_an_inner_address_is_refused_in_every_spelling(host: str) -> None:
    out, _ = guarded()
    async with serving() as canary:
        with pytest.raises(EgressRefused):
            await out.request("POST", canary.url(host), headers={}, body=b"")

    assert canary.accepted == 0


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "100.64.0.1", "192.0.0.192", "198.18.0.1", "168.63.129.16", "224.0.0.1", "255.255.255.255"),
        *("64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "fec0::1", "fc00::1", "fe80::1", "ff02::1"),
    ],
)
async def test_a_name_for_a_special_address_is_refused(address: str) -> None:
    out, names = guarded([address])

    with pytest.raises(EgressRefused, match=r"^address_not_public$"):
        await out.request("POST", "https://hook.example/", headers={}, body=b"")

    assert names.asked == ["hook.example"]


@pytest.mark.parametrize("answers", [[NEXT_DOOR, HOME], [HOME, NEXT_DOOR], [NEXT_DOOR] * 3 + [HOME]])
async def test_one_inner_address_condemns_the_whole_name(answers: list[str]) -> None:
    out, _ = guarded(answers)
    async with serving() as canary, serving(host=NEXT_DOOR, port=canary.port) as outside:
        with pytest.raises(EgressRefused, match=r"^address_not_public$"):
            await out.request("POST", canary.url("hook.example"), headers={}, body=b"")

    assert (canary.accepted, outside.accepted) == (0, 0)


async def test_the_address_that_was_judged_is_the_one_that_is_called() -> None:
    out, names = guarded([NEXT_DOOR], [HOME])
    async with serving() as canary, serving(host=NEXT_DOOR, port=canary.port) as outside:
        first = await out.request("POST", canary.url("hook.example"), headers={}, body=b"")
        with pytest.raises(EgressRefused, match=r"^address_not_public$"):
            await out.request("POST", canary.url("hook.example"), headers={}, body=b"")

    assert first.status == 200
    assert outside.calls[0].headers["host"] == f"hook.example:{canary.port}"
    assert (canary.accepted, outside.accepted, len(names.asked)) == (0, 1, 2)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_inside_leads_nowhere(status: int) -> None:
    out, _ = guarded([NEXT_DOOR])
    async with serving() as canary:
        inside = f"Location: http://{HOME}:{canary.port}/"
        async with serving(answer(status, b"", inside), host=NEXT_DOOR) as outside:
            response = await out.request("POST", outside.url("hook.example"), headers={}, body=b"")

    assert response.status == status
    assert canary.accepted == 0


async def test_development_may_call_everything() -> None:
    async with serving() as server:
        response = await Egress(allow_private=True).request("POST", server.url("localhost"), headers={}, body=b"")

    assert response.status == 200


async def test_the_system_knows_its_own_name() -> None:
    resolver = SystemResolver()

    addresses = await resolver.resolve("localhost", 80)

    resolver.close()
    assert set(addresses) & {ip_address(HOME), ip_address("::1")}


async def test_a_name_without_an_address_can_be_asked_for_again() -> None:
    def unknown(*_: Any) -> Any:
        raise OSError("Name or service not known")

    resolver = SystemResolver(lookup=unknown)
    with pytest.raises(EgressFailed, match=r"^dns_failed$") as failed:
        await Egress(allow_private=False, resolver=resolver).request("POST", "http://h.example/", headers={}, body=b"")

    resolver.close()
    assert not failed.value.sent


async def test_a_name_server_that_drops_questions_blocks_its_own_threads_only() -> None:
    asked, until = threading.Semaphore(0), threading.Event()

    def stuck(*_: Any) -> Any:
        asked.release()
        until.wait()
        return []

    resolver = SystemResolver(lookup=stuck, threads=1, deadline=timedelta(milliseconds=50))
    for _ in range(3):
        with pytest.raises(NameNotResolved, match=r"^dns_timed_out$"):
            await resolver.resolve("h.example", 80)

    until.set()
    resolver.close()
    assert asked.acquire(blocking=False)
    assert not asked.acquire(blocking=False)  # those that found no thread free were never asked
