"""What a mail looks like on the wire, octet by octet, and what never gets into one."""

import re
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys_api.delivery.envelopes import Envelope, InvalidMail, ascii_address
from journeys_api.delivery.messages import build, envelope_for
from journeys_api.delivery.smtp_session import stuffed
from tests.delivery.mail.mails import mail

LONG_URL = "https://journeys.test/t/u/" + "aZ09-_" * 50


def parsed(message: bytes) -> EmailMessage:
    read = message_from_bytes(message, policy=default)
    assert isinstance(read, EmailMessage)
    assert not read.defects
    return read


def head_of(message: bytes) -> bytes:
    return message.split(b"\r\n\r\n", 1)[0]


def content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_mail_has_both_parts_and_its_headers() -> None:
    message = parsed(build(mail(reply_to="help@shop.test", cc=("c@x.test", "d@x.test"), bcc=("e@x.test",))))

    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert content(message, "plain") == "Hello\n"
    assert "<p>Hello</p>" in content(message, "html")
    assert message["From"] == "Shop <news@shop.test>"
    assert message["To"] == "Ann <ann@x.test>"
    assert message["Cc"] == "c@x.test, d@x.test"
    assert message["Reply-To"] == "help@shop.test"
    assert message["Message-ID"] == "<d41.7@journeys.test>"
    assert message["Date"] == "Sun, 01 Mar 2026 12:30:00 +0000"
    assert "e@x.test" not in build(mail(bcc=("e@x.test",))).decode()


@pytest.mark.parametrize(("html", "text", "kind"), [("<p>x</p>", None, "text/html"), ("", "x", "text/plain")])
def test_a_mail_of_one_part_is_that_part(html: str, text: str | None, kind: str) -> None:
    assert parsed(build(mail(html=html, text=text))).get_content_type() == kind


def test_the_same_mail_is_the_same_bytes_at_every_attempt() -> None:
    assert build(mail()) == build(mail())


@pytest.mark.parametrize(
    "text",
    ["x" * 2000, "ü" * 2000, "日本" * 900 + "\n", "a\n.\nb\r\n.\r\nc\r.\rd", "tab\t \nend \n", "Ünïcode\x85\x0b\n"],
)
def test_contents_survive_in_short_ascii_lines(text: str) -> None:
    message = build(mail(text=text, html=f"<body>{text}</body>"))

    assert message.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", message)
    assert max(map(len, message.split(b"\r\n"))) <= 100
    as_kept = re.sub(r"\r\n|\r", "\n", text)
    assert content(parsed(message), "plain").removesuffix("\n") == as_kept.removesuffix("\n")
    assert as_kept in content(parsed(message), "html")


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(st.sampled_from([".", "..", "." * 200, ". ", ".x", "x", "", "é", "x" * 75 + ".", "é." * 40])),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_smtp_has_nothing_to_add_to_a_message(lines: list[str], end: str) -> None:
    text = end.join(lines) + end

    envelope = envelope_for(mail(text=text, html=text), mail_from="bounces@shop.test")

    assert envelope.is_wire_ready
    assert envelope.message == stuffed(envelope.message)
    assert max(map(len, envelope.message.split(b"\r\n"))) <= 78
    assert content(parsed(envelope.message), "html") == "\n".join(lines) + "\n"


def test_no_text_can_end_its_part() -> None:
    boundary = parsed(build(mail())).get_boundary()

    message = parsed(build(mail(text=f"a\n--{boundary}\n--{boundary}--\nb\n")))

    assert message.get_boundary() == boundary
    assert content(message, "plain") == f"a\n--{boundary}\n--{boundary}--\nb\n"


def test_unsubscribe_urls_stand_whole_and_unencoded() -> None:
    mailto = "mailto:unsubscribe@journeys.test?subject=" + "b" * 300
    message = build(mail(list_unsubscribe_url=LONG_URL, list_unsubscribe_mailto=mailto, one_click=True))

    lines = head_of(message).split(b"\r\n")
    assert f"List-Unsubscribe: <{LONG_URL}>,".encode() in lines
    assert f" <{mailto}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert b"=?" not in head_of(message)


def test_short_unsubscribe_urls_stand_on_one_line() -> None:
    message = build(mail(list_unsubscribe_url="https://j.test/u", list_unsubscribe_mailto="mailto:u@j.test"))

    assert b"\r\nList-Unsubscribe: <https://j.test/u>, <mailto:u@j.test>\r\n" in message
    assert b"List-Unsubscribe-Post" not in message


def test_one_click_without_a_url_is_not_promised() -> None:
    message = build(mail(list_unsubscribe_mailto="mailto:u@j.test", one_click=True))

    assert b"List-Unsubscribe-Post" not in message


@pytest.mark.parametrize(
    "url", ["javascript:x", "https://", "https://j.test/a b", "https://j.test/>,<x", "https://j.test/ü",
            "https://j.test/\r\nBcc: v@x.test", "https://j.test/" + "a" * 1000]
)  # fmt: skip
def test_what_is_not_a_web_address_is_no_unsubscribe_header(url: str) -> None:
    with pytest.raises(InvalidMail, match="List-Unsubscribe"):
        build(mail(list_unsubscribe_url=url))


def test_long_words_of_other_headers_stay_whole() -> None:
    message = build(mail(extra_headers={"X-MessageID": "v" * 300, "X-Link": LONG_URL, "X-Words": "word " * 60}))

    assert f"\r\nX-Link: {LONG_URL}\r\n".encode() in message
    assert f"\r\nX-MessageID: {'v' * 300}\r\n".encode() in message
    assert parsed(message)["X-Words"] == ("word " * 60).strip()
    assert max(map(len, head_of(message).split(b"\r\nX-Words")[1].split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    "name",
    ["Zoë", "Doe, John", 'Joe "the" O\\Neil', "a@b.test", "日本語の名前 " * 12, "x" * 400, "=?utf-8?q?evil?=", ""],
)
def test_names_come_through(name: str) -> None:
    message = build(mail(from_name=name, to_name=name))

    raw = message_from_bytes(message)
    for header, expected in (("From", "news@shop.test"), ("To", "ann@x.test")):
        # the newer parser of the standard library leaves blanks between encoded words (RFC 2047 6.2 has none)
        [(phrase, address)] = getaddresses([raw[header].replace("\r\n", "")])
        assert str(make_header(decode_header(phrase))) == name.strip()
        assert address == expected
    assert max(map(len, head_of(message).split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    "subject",
    [
        "Grüße " * 40,
        "=?utf-8?q?=0D=0ABcc:?= v@x.test",
        "x" * 3000,
        "two  spaces",
        "日本語" * 60,
        "",
        "word " * 100,
        "1" * 77,
    ],
)
def test_subjects_come_through(subject: str) -> None:
    message = build(mail(subject=subject))

    assert parsed(message)["Subject"] == subject.strip()
    assert max(map(len, message.split(b"\r\n"))) <= 998


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=200))
def test_any_text_is_a_subject_and_a_name(text: str) -> None:
    message = parsed(build(mail(subject=text, from_name=text)))

    assert set(message.keys()) == set(parsed(build(mail())).keys())
    assert message["From"].addresses[0].addr_spec == "news@shop.test"
    assert len(message["From"].addresses) == 1


@pytest.mark.parametrize("evil", ["\r\nBcc: v@x.test", "\n", "\r", "\u2028", "\u2029", "\x0b", "\x85", "\x00", "\x7f"])
@pytest.mark.parametrize("where", ["from_name", "to_name", "subject", "from_email", "to_email", "message_id"])
def test_no_control_character_gets_into_a_header(where: str, evil: str) -> None:
    before = {"from_email": "news@shop.test", "to_email": "ann@x.test", "message_id": "a@b.test"}.get(where, "Hello")

    with pytest.raises(InvalidMail) as refused:
        build(mail(**{where: f"{before}{evil}x"}))

    assert "@" not in str(refused.value).replace("left@domain", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X\r\nBcc", "v@x.test"),
        ("X:", "a"),
        ("", "a"),
        ("X" * 65, "a"),
        ("X-Ünï", "a"),
        ("X-A\n", "a"),
        ("X-A", "a\r\nBcc: v@x.test"),
        ("X-A", "a\nb"),
        ("X-A", "y" * 1200),
        ("Bcc", "v@x.test"),
        ("FROM", "v@x.test"),
        ("Content-Type", "text/html"),
    ],
)
def test_extra_headers_add_what_they_say_and_nothing_else(name: str, value: str) -> None:
    with pytest.raises(InvalidMail):
        build(mail(extra_headers={name: value}))


@pytest.mark.parametrize(
    "address",
    ["", "b", "b@", "@x.test", "b b@x.test", "<b@x.test>", "b@x.test>\r\nRCPT TO:<v@x.test", "b@x.test, c@x.test",
     "b@x.test\x00", "ü@x.test", "a@" + "b" * 300 + ".test", 'Ann <ann@x.test>', '"a b"@x.test'],
)  # fmt: skip
@pytest.mark.parametrize("where", ["from_email", "to_email", "cc", "bcc"])
def test_what_is_not_an_address_is_refused(where: str, address: str) -> None:
    with pytest.raises(InvalidMail):
        build(mail(**{where: (address,) if where in ("cc", "bcc") else address}))


def test_addresses_are_trimmed_and_their_domains_made_ascii() -> None:
    sent = envelope_for(
        mail(to_email=" ann@bücher.test ", cc=(" c@x.test",), bcc=("b@x.test", "ann@bücher.test")),
        mail_from="b@shop.test",
    )

    assert sent.mail_from == "b@shop.test"
    assert sent.recipients == ("ann@xn--bcher-kva.test", "c@x.test", "b@x.test")
    assert b"To: Ann <ann@xn--bcher-kva.test>" in sent.message


_labels = st.text("abz09-", min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    local=st.text("aZ9_+-.", min_size=1, max_size=70),
    domain=st.lists(_labels, min_size=1, max_size=4).map(".".join),
    end=st.sampled_from([".test", ".example", ".c", ".co1", "", ".", "..com", ".com "]),
)
def test_plain_addresses_are_judged_as_all_others(local: str, domain: str, end: str) -> None:
    address = f"{local}@{domain}{end}"
    try:
        valid = validate_email(address.strip(), check_deliverability=False, allow_smtputf8=False, test_environment=True)
        expected = valid.ascii_email
    except EmailNotValidError:
        expected = None

    try:
        assert ascii_address(address, "To") == expected
    except InvalidMail:
        assert expected is None


@pytest.mark.parametrize("reply_to", ["", "nobody", "b@x.test\r\nBcc: v@x.test", "a@x.test, b@x.test"])
def test_an_unusable_reply_to_is_dropped(reply_to: str) -> None:
    assert "Reply-To" not in parsed(build(mail(reply_to=reply_to)))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("<html><BODY class='a>b'><p>x", "<html><BODY class='a>b'>{}<p>x"),
        ("<!-- <body> --><style>a:'<body>'</style><body\n>x", "<!-- <body> --><style>a:'<body>'</style><body\n>{}x"),
        ("<!DOCTYPE html><head><title>t</title></head><p>x", "<!DOCTYPE html><head><title>t</title></head>{}<p>x"),
        ("<!DOCTYPE html><p>x", "<!DOCTYPE html>{}<p>x"),
        ("<p>x</p>", "{}<p>x</p>"),
        ("<bodyguard>", "{}<bodyguard>"),
        ("<body class='", "{}<body class='"),
    ],
)  # fmt: skip
def test_the_pre_header_is_the_first_hidden_text(document: str, expected: str) -> None:
    shown = content(parsed(build(mail(html=document, pre_header="50 % <b>off</b>"))), "html").removesuffix("\n")

    hidden = re.search(r"<div style=[^>]*display:none[^>]*>(.*?)</div>", shown)
    assert hidden is not None
    assert hidden[1] == "50 % &lt;b&gt;off&lt;/b&gt;"
    assert shown == expected.format(hidden[0])


@pytest.mark.timeout(30)  # milliseconds in one pass; hours where every tag looks at every other
def test_the_place_of_the_pre_header_is_found_in_one_pass() -> None:
    build(mail(html="<!--" * 200_000, pre_header="x"))
    build(mail(html="<style>" * 100_000 + "<body '" * 1000, pre_header="x"))


@pytest.mark.parametrize(
    "stated",
    [{"html": None, "text": None}, {"html": "", "text": ""}, {"text": "\ud800"}, {"html": "a\x00"},
     {"date": datetime(2026, 1, 1)}, {"message_id": "<a@b> <c@d>"}, {"pre_header": "\udfff"}],
)  # fmt: skip
def test_what_cannot_be_a_mail_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(InvalidMail):
        build(mail(**stated))


@pytest.mark.parametrize(
    "recipients", [(), ("a b@x.test",), ("b@x.test>\r\nRCPT TO:<v@x.test",), ("ü@x.test",), ("b",)]
)
def test_no_envelope_carries_what_is_not_an_address(recipients: tuple[str, ...]) -> None:
    with pytest.raises(InvalidMail):
        Envelope("b@shop.test", recipients, b"")
