"""What a webhook says, and how a receiver can tell who says it."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from journeys_api.delivery.webhooks import (
    SUBSCRIBER_KEYS,
    HookRefused,
    body,
    custom_headers,
    render_tree,
    sign,
    signature_header_named,
    standard_headers,
)


def made(payload: object) -> bytes:
    """A body about one person."""
    return body(
        journey={"JourneyID": "3", "JourneyName": "Welcome", "JourneyTrigger": "ListSubscription:12", "Notes": "x"},
        subscriber_list={"ListID": "12", "ListName": "News", "Owner": 7},
        custom_fields={5: "City"},
        subscriber={key: f"its {key}" for key in (*SUBSCRIBER_KEYS, "Password")},
        subscriber_fields={5: "Köln"},
        payload=payload,
    )


def test_the_body_has_the_documented_keys_in_order_and_no_others() -> None:
    told = json.loads(made({"a": 1}))

    assert list(told) == ["Journey", "List", "CustomFields", "Subscriber", "CustomPayload"]
    assert told["Journey"] == {"JourneyID": "3", "JourneyName": "Welcome", "JourneyTrigger": "ListSubscription:12"}
    assert told["List"] == {"ListID": "12", "ListName": "News"}
    assert told["CustomFields"] == {"5": "City"}
    assert list(told["Subscriber"]) == [*SUBSCRIBER_KEYS, "CustomFields"]
    assert told["Subscriber"]["CustomFields"] == {"5": "Köln"}
    assert told["CustomPayload"] == {"a": 1}


@pytest.mark.parametrize("nothing", [None, {}, ""])
def test_without_a_webhook_body_the_payload_is_an_empty_object(nothing: object) -> None:
    assert json.loads(made(nothing))["CustomPayload"] == {}


def test_texts_of_a_tree_are_rendered_once_and_its_names_are_kept() -> None:
    tree = {"{{ a }}": "{{ a }}", "n": [1, 1.5, True, None, {"Deep": ["{{ a }}"]}]}

    rendered = render_tree(tree, lambda text: text.replace("{{ a }}", "{{ b }}").replace("b", "x{{ a }}"))

    assert rendered == {"{{ a }}": "{{ x{{ a }} }}", "n": [1, 1.5, True, None, {"Deep": ["{{ x{{ a }} }}"]}]}


@pytest.mark.parametrize(
    ("secret", "text", "signature"),
    [  # RFC 4231, test cases 2 and 1; the empty text
        ("Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ("\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        ("key", b"", "5d5d139563c95b5967b9bd9a8c9b233a9dedb45072794cd232dc1b74832607d0"),
    ],
)
def test_the_vendors_signature_is_hexadecimal_hmac_sha256(secret: str, text: bytes, signature: str) -> None:
    assert sign(text, secret) == signature


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("plain secret ä", "plain secret ä".encode()),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwQQ", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwQQ"),
        ("whsec_not base64!", b"whsec_not base64!"),
        ("whsec_", b"whsec_"),
    ],
)
def test_an_independent_library_verifies_the_standard_signature(secret: str, key: str | bytes) -> None:
    sent = made({"a": "ä"})
    headers = standard_headers(sent, delivery_id="d-1", secret=secret, now=datetime.now(UTC))

    assert Webhook(key).verify(sent, headers) == json.loads(sent)
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(sent.replace(b"Welcome", b"Welcomf"), headers)


def test_the_standard_signature_is_that_of_the_specification() -> None:
    headers = standard_headers(
        b'{"test": 2432232314}',
        delivery_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        now=datetime.fromtimestamp(1614265330, UTC),
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        *(
            ({name: "x"}, "header_denied")
            for name in (
                *("Host", "HOST", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Cookie", "TE"),
                *("webhook-id", "Webhook-Signature", "webhook-anything", "X-Octeth-Signature", "x-own-signature"),
                *("Upgrade", "Trailer", "Keep-Alive", "Accept-Encoding", "Proxy-Authorization"),
            )
        ),
        ({"X Y": "x"}, "header_name"),
        ({"": "x"}, "header_name"),
        ({"X:": "x"}, "header_name"),
        ({"X\r\nBcc": "x"}, "header_name"),
        ({"X" * 65: "x"}, "header_name"),
        ({"Ä": "x"}, "header_name"),
        ({"X": "a\r\nHost: b"}, "header_value"),
        ({"X": "a\nb"}, "header_value"),
        ({"X": "\x00"}, "header_value"),
        ({"X": "\x7f"}, "header_value"),
        ({"X": "ä"}, "header_value"),
        ({"X": ["a"]}, "header_value"),
        ({"X": {"a": "b"}}, "header_value"),
        ({"X": "x" * 4097}, "header_value"),
        ({"X": "1", "x": "2"}, "header_repeated"),
        ({f"X-{number}": "x" for number in range(51)}, "headers_too_many"),
    ],
)
def test_a_header_that_would_say_something_in_our_name_is_refused(given: dict[str, object], reason: str) -> None:
    with pytest.raises(HookRefused, match=rf"^{reason}$"):
        custom_headers(given, signature_header="X-Own-Signature")


def test_headers_of_ones_own_are_texts_and_numbers() -> None:
    given = {"Authorization": " Bearer x ", "X-Number": 5, "X-Truth": True, "X-Empty": "", "X-None": None}

    headers = custom_headers(given)

    assert headers == {"Authorization": "Bearer x", "X-Number": "5", "X-Truth": "true", "X-Empty": ""}


@pytest.mark.parametrize("name", ["Host", "webhook-signature", "Content-Type", "Cookie", "X Y", "X\r\nY", "Ä"])
def test_the_signature_stands_in_no_header_that_means_something_else(name: str) -> None:
    with pytest.raises(HookRefused, match=r"^signature_header$"):
        signature_header_named(name)


@pytest.mark.parametrize(
    ("given", "name"), [("", "X-Octeth-Signature"), ("X-Hub-Signature-256", "X-Hub-Signature-256")]
)
def test_the_signature_has_its_usual_header_unless_another_is_chosen(given: str, name: str) -> None:
    assert signature_header_named(given) == name
