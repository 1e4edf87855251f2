"""Tokens of links: nobody makes, changes or reads them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys_api.tracking.links import Kind, read, sign, url_of

KEY = b"the key of these tests"


@given(kind=st.sampled_from(Kind), numbers=st.lists(st.integers(0, 2**63 - 1), max_size=6))
def test_a_token_is_read_as_it_was_signed_and_as_no_other_kind(kind: Kind, numbers: list[int]) -> None:
    token = sign(KEY, kind, *numbers)

    assert read(KEY, kind, token) == tuple(numbers)
    assert [other for other in Kind if read(KEY, other, token) is not None] == [kind]
    assert read(b"another key of these tests", kind, token) is None
    assert len(token) <= 200
    assert token == sign(KEY, kind, *numbers)


def test_no_changed_bit_is_accepted() -> None:
    token = sign(KEY, Kind.CONFIRM, 12, 345, 6_789_012)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))

    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        forged = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        assert read(KEY, Kind.CONFIRM, forged) is None


def test_a_token_shows_no_id() -> None:
    tokens = [sign(KEY, Kind.UNSUBSCRIBE, 1, 2, number) for number in range(3000, 3020)]

    raws = [base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) for token in tokens]

    # neighbours share nothing but their length
    assert len({raw[-3:] for raw in raws}) == len(raws)


@pytest.mark.parametrize(
    "token", ["", "A", "A" * 16, "A" * 22, "A" * 201, "ключ", "=", "..", "AAAA=", "\x00", "a b", "a+/b"]
)
def test_what_is_no_token_is_nothing(token: str) -> None:
    assert read(KEY, Kind.CONFIRM, token) is None


def test_another_spelling_of_a_token_is_nothing() -> None:
    token = sign(KEY, Kind.CONFIRM, 1)  # 17 bytes: the last letter carries bits that stand for nothing

    others = [token[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]

    assert [other for other in others if read(KEY, Kind.CONFIRM, other)] == [token]
    assert read(KEY, Kind.CONFIRM, token + "=") is None


def test_a_link_starts_with_the_servers_public_url() -> None:
    assert url_of("https://mail.example/journeys", Kind.CONFIRM, "token") == "https://mail.example/journeys/t/c/token"
