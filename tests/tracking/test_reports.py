"""Reading what mail servers send back, also when it is made to hurt."""

from email import message_from_bytes

import pytest

from journeys_api.bounces.message_ids import name_of, named_in, return_path
from journeys_api.bounces.severity import Severity, severity_of
from journeys_api.tracking.reports import MOST_BYTES, ReportKind, Unparseable, read_report
from tests.tracking.reports import bounce, complaint, vacation

KEY = b"a key"
MAIL = message_from_bytes(b"Message-ID: <7.abc@example.com>\r\nX-MessageID: 7.abc\r\nSubject: Hi\r\n\r\nHello\r\n")


@pytest.mark.parametrize("whole", [True, False])
def test_a_delivery_report_tells_whom_and_why(whole: bool) -> None:
    report = read_report(bounce(MAIL, "Ada@Example.com", to="bounces+7.abc@example.com", whole=whole))

    assert report.kind is ReportKind.BOUNCE
    assert report.names.split("\n") == ["bounces+7.abc@example.com", "<7.abc@example.com>", "7.abc"]
    (recipient,) = report.recipients
    assert (recipient.addresses, recipient.action) == (frozenset({"ada@example.com"}), "failed")
    assert (recipient.status, recipient.diagnostic) == ("5.1.1", "550 5.1.1 no such user")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("abuse", ReportKind.COMPLAINT),
        ("Fraud", ReportKind.COMPLAINT),
        ("opt-out", ReportKind.UNSUBSCRIBE),
        ("not-spam", ReportKind.NOTHING),
        ("", ReportKind.NOTHING),
    ],
)
def test_feedback_is_of_several_kinds(kind: str, expected: ReportKind) -> None:
    assert read_report(complaint(MAIL, "ada@example.com", kind=kind)).kind is expected


def test_what_is_automatic_or_about_a_report_is_nothing() -> None:
    about_a_report = bounce(message_from_bytes(bounce(MAIL, "ada@example.com")), "news@example.com")

    assert read_report(vacation("bounces+7.abc@example.com")).why == "an automatic answer"
    assert read_report(about_a_report).why == "a report about a report"
    assert read_report(b"From: a@example.com\r\n\r\nHello").why == "not a report"
    assert read_report(b"").why == "not a report"


NESTED = b"".join(
    b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level) for level in range(10_000)
)
BOMBS = {
    "nested": NESTED,
    "nested short": b"".join(b"Content-Type:multipart/a;boundary=%d\n\n--%d\n" % (n, n) for n in range(10_000)),
    "flat": b'Content-Type: multipart/report; boundary="b"\r\n\r\n' + b"--b\r\n\r\n" * 100_000,
    "parameters": b"Content-Type: multipart/report" + b";" * 300_000,
    "folded parameters": b"Content-Type: multipart/report" + b"\r\n ;a=b" * 100_000,
    "NUL": b"Content-Type: multipart/report; boundary=\x00\r\n\r\n",
    "messages": b"Content-Type: message/rfc822\r\n\r\n" * 10_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_unparseable(name: str) -> None:
    with pytest.raises(Unparseable):
        read_report(BOMBS[name])


@pytest.mark.parametrize(
    "raw",
    [
        b"X: " + b"a" * 1024 * 1024,
        b"X: a\r\n" * 100_000,
        b"\r\n " * 100_000,
        bounce(MAIL, "a" * 100_000 + "@example.com"),
        bounce(MAIL, "ada@example.com", diagnostic="smtp;" + " ;" * 50_000),
        bounce(MAIL, "ada@example.com").replace(
            b"Content-Type: message/delivery-status\r\n",
            b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n",
        ),
        bounce(MAIL, "ada@example.com").replace(b"text/plain", b"text/plain; charset=\xff\xfe"),
        bounce(MAIL, "ada@example.com").replace(b"frontier", b"=?utf-8?b?"),
        bytes(range(1, 256)) * 2000,
        b"Content-Type: multipart/report\r\n\r\nno boundary",
        b"Content-Type: multipart/report; boundary=\r\n\r\n--\r\n",
        b'Content-Type: multipart/report; boundary*0="a"; boundary*1*="b\r\n\r\n--ab\r\n',
        b"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n",
    ],
)
def test_what_is_odd_is_read_or_unparseable(raw: bytes) -> None:
    try:
        report = read_report(raw)
    except Unparseable:
        return
    assert all(len(each.diagnostic) <= 500 for each in report.recipients)


def test_the_start_of_a_long_mail_is_enough() -> None:
    long = message_from_bytes(MAIL.as_bytes() + b"x" * 76 + b"\r\n" * MOST_BYTES)

    assert read_report(bounce(long, "ada@example.com")).kind is ReportKind.BOUNCE


def test_a_name_is_known_in_whatever_text_and_case_it_stands() -> None:
    name = name_of(KEY, 42)

    assert list(named_in(KEY, f"<{name.upper()}@EXAMPLE.com>")) == [42]
    assert list(named_in(KEY, f"To: {return_path('bounces@example.com', name)}, other")) == [42]
    assert return_path("bounces@example.com", name) == f"bounces+{name}@example.com"
    for forged in (
        name[:-1],
        f"{name}0",
        f"1{name}",
        name.replace("42.", "43."),
        f"{2**63}.{name[3:]}",
        "42." + "0" * 24,
        name.replace("42.", "\u0664\u0662."),
    ):
        assert list(named_in(KEY, forged)) == list(named_in(b"another", name)) == []


@pytest.mark.parametrize(
    ("status", "answer", "severity"),
    [
        ("5.1.1", "550 5.1.1 no such user", "hard"),
        ("5.1.10", "", "hard"),
        ("5.2.1", "550 disabled", "hard"),
        ("5.4.4", "", "hard"),
        ("5.0.0", "550 user unknown", "hard"),
        ("5.0.0", "", "hard"),
        ("", "550 no such user", "hard"),
        ("", "551 moved", "hard"),
        ("5.2.2", "552 mailbox full", "soft"),
        ("", "552 quota", "soft"),
        ("4.1.1", "", "soft"),
        ("4.4.7", "550 delivery time expired", "soft"),
        ("", "450 greylisted", "soft"),
        ("", "", "soft"),
        ("nonsense", "nonsense", "soft"),
        ("5.7.1", "550 5.7.1 rejected by policy", "block"),
        ("4.7.0", "421 4.7.0 too many messages", "block"),
        ("5.3.4", "552 message too big", "block"),
        ("", "550 relay not permitted", "block"),
        ("5.0.0", "550 Relaying denied", "block"),
        ("5.1.8", "", "block"),
        ("5.6.0", "", "block"),
    ],
)
def test_a_refusal_is_hard_soft_or_a_block(status: str, answer: str, severity: str) -> None:
    assert severity_of(status, answer) is Severity(severity)


def test_what_is_said_of_the_whole_message_is_not_said_of_the_address() -> None:
    assert severity_of("", "550 spam", of_recipient=False) is Severity.BLOCK
    assert severity_of("", "550 5.1.1 no such user", of_recipient=False) is Severity.HARD
