"""Tokens of links: nobody makes, changes or reads them."""

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys_api.links.tokens import (
    LONGEST_TARGET,
    Kind,
    read,
    read_attribution,
    read_click,
    sign,
    sign_attribution,
    sign_click,
    url_of,
)

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


ids = st.integers(0, 2**63 - 1)
URL = "https://www.shop.example/products/red-shoes.html?utm_source=newsletter&utm_medium=email&utm_campaign=spring"


@given(owner_id=ids, delivery_id=ids, target=st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_the_target_of_a_click_is_read_as_it_was_signed(owner_id: int, delivery_id: int, target: str) -> None:
    token = sign_click(KEY, owner_id, delivery_id, target)

    assert token is not None
    assert read_click(KEY, token) == (owner_id, delivery_id, target)
    assert [kind for kind in Kind if kind is not Kind.CLICK and read(KEY, kind, token) is not None] == []
    assert read_click(b"another key of these tests", token) is None


def test_a_long_target_is_packed_and_one_too_long_is_none() -> None:
    token = sign_click(KEY, 12, 3_456_789, URL)
    longest = "https://e.example/" + "ä" * ((LONGEST_TARGET - 18) // 2)

    assert token is not None
    assert len(token) < len(URL)
    assert read_click(KEY, str(sign_click(KEY, 1, 2, longest))) == (1, 2, longest)
    assert sign_click(KEY, 1, 2, longest + "aa") is None


def test_a_click_shows_neither_ids_nor_the_target() -> None:
    tokens = [str(sign_click(KEY, 1, number, URL)) for number in range(3000, 3020)]

    raws = [base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) for token in tokens]

    assert len({raw[-8:] for raw in raws}) == len(raws)
    assert not any(b"shop" in raw for raw in raws)


def test_100_000_changed_tokens_lead_nowhere() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    chance = random.Random(100_000)
    good = [str(sign_click(KEY, 7, number, f"{URL}&n={number}")) for number in range(100)]
    known = set(good)

    def changed(token: str) -> str:
        place = chance.randrange(len(token))
        match chance.randrange(5):
            case 0:
                return token[:place] + chance.choice(alphabet) + token[place + 1 :]
            case 1:
                return token[:place] + token[place + 1 :]
            case 2:
                return token[:place] + chance.choice(alphabet) + token[place:]
            case 3:
                return token[:place] + chance.choice(good)[place:]
            case _:
                other = chance.randrange(len(token))
                letters = list(token)
                letters[place], letters[other] = letters[other], letters[place]
                return "".join(letters)

    forged = [token for token in (changed(chance.choice(good)) for _ in range(110_000)) if token not in known]

    assert len(forged) >= 100_000
    assert [token for token in forged if read_click(KEY, token) is not None] == []


def test_an_attribution_names_a_message_and_is_no_link() -> None:
    token = sign_attribution(KEY, 12, 345)

    assert read_attribution(KEY, token) == (12, 345)
    assert read_attribution(KEY, sign(KEY, Kind.OPEN, 12, 345)) is None
    assert read_attribution(KEY, token[:-1]) is None
    assert read_attribution(KEY, sign(KEY, Kind.ATTRIBUTION, 1, 2, 3)) is None


def test_a_link_starts_with_the_servers_public_url() -> None:
    assert url_of("https://mail.example/journeys", Kind.CONFIRM, "token") == "https://mail.example/journeys/t/c/token"
