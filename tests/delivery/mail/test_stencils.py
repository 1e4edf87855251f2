"""Parts of mails that were written down ahead say what the long way says."""

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys_api.delivery import personalization
from journeys_api.delivery.mail_tracking import MailTracking
from journeys_api.delivery.messages import build, with_pre_header
from journeys_api.delivery.mime_parts import part_of
from journeys_api.delivery.personalization import Context, Mode
from journeys_api.delivery.stencils import LONGEST_VALUES, MOST_OCTETS, Stencils, cut
from journeys_api.links.urls import Links
from tests.delivery.mail.mails import mail

LINKS = Links(b"a key of thirty-two octets or so", public_url="https://mail.example")
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
UTM = (("utm_source", "news letter"), ("utm_medium", "email"))


def delivery(delivery_id: int) -> Any:
    return SimpleNamespace(delivery_id=delivery_id, owner_id=3, list_id=4, subscriber_id=delivery_id + 70)


def tracking(delivery_id: int = 1, *, links: bool = True, opens: bool = True, utm: bool = False) -> MailTracking:
    return MailTracking(LINKS, delivery(delivery_id), links, opens, UTM if utm else ())


def context(values: Mapping[str, str], delivery_id: int = 1) -> Context:
    leave = LINKS.unsubscribe(delivery(delivery_id))
    return Context(now=NOW, seed=delivery_id, values={"Subscriber": values, "Link": {"Unsubscribe": lambda: leave}})


def the_long_way(source: str, of: Context, tracked: MailTracking, pre_header: str = "") -> bytes:
    document = tracked.html(personalization.compile(source).render(of, mode=Mode.HTML))
    return part_of(with_pre_header(document or "", pre_header), b"html")


def by_stencil(source: str, of: Context, tracked: MailTracking, pre_header: str = "") -> bytes | None:
    """Cut for another recipient than the one it is filled for."""
    outline = personalization.compile(source).outline(of, mode=Mode.HTML)
    assert outline is not None
    stencil = cut(outline, tracking_of_another(tracked), has_pre_header=bool(pre_header))
    return None if stencil is None else stencil.part(of, tracked, html.escape(pre_header))


def tracking_of_another(tracked: MailTracking) -> MailTracking:
    return MailTracking(LINKS, delivery(999_999), tracked.tracks_links, tracked.tracks_opens, tracked.marks)


def said(part: bytes) -> tuple[str, bytes]:
    """Type and content of a part that is fit for a mail."""
    assert part.isascii()
    assert part.endswith(b"\r\n")
    assert b"\n." not in part
    assert part.count(b"\r\n") == part.count(b"\n") == part.count(b"\r")
    for line in part.split(b"\r\n\r\n", 1)[1].split(b"\r\n"):
        # binascii counts a blank at a line's end as one octet and writes three
        assert len(line) <= (78 if line.endswith((b"=20", b"=09")) else 76), line
        assert b"7bit" in part or not line.endswith((b" ", b"\t")), line
    parsed = message_from_bytes(part)
    content = parsed.get_payload(decode=True)
    assert isinstance(content, bytes)
    return parsed["Content-Type"], content


NEWSLETTER = """<!DOCTYPE html>
<html><head><title>News for {{ Subscriber:FirstName }}</title><style>a > b { color: red }</style></head>
<body style="margin:0" title="for {{ Subscriber:FirstName }}">
<p>Dear {{ Subscriber:FirstName|"friend" }}, ünï{{ capitalize Subscriber:City }}.</p>
{{ if Subscriber:City=Bonn }}<p>See <a href="https://shop.example/bonn?a=1&amp;b=2">Bonn</a></p>{{ else }}.
{{ endif }}
<a href="https://shop.example/?who={{ Subscriber:FirstName }}&amp;x=1">yours</a>
<a href="{{ Subscriber:Site }}">site</a> <a class="no-link-track" href="https://shop.example/">plain</a>
<a href="https://shop.example/offers">one</a><a href='https://shop.example/offers'>the same</a>
<a href="mailto:{{ Subscriber:FirstName }}@x.test">m</a> <a href="{{ Link:Unsubscribe }}">Leave</a>
<img src="https://cdn.example/{{ Subscriber:FirstName }}.png" alt="{{ Subscriber:FirstName }}">
%Subscriber:City% [UPPER:{{ Subscriber:FirstName }}] %Random:Letters:5% [[Hi|Hello]] """ + "x" * 200 + """ \t
.{{ Subscriber:FirstName }}
.</body></html>"""  # fmt: skip


@pytest.mark.parametrize("pre_header", ["", "Don't miss <this>"])
@pytest.mark.parametrize("utm", [False, True])
@pytest.mark.parametrize("opens", [False, True])
@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize(
    "values",
    [
        {"FirstName": "Ann", "City": "Bonn", "Site": "https://ann.example/?q=1"},
        {"FirstName": "", "City": "", "Site": ""},
        {"FirstName": 'O\'Hara & <b>Söhne</b> "x" =3D', "City": "ü" * 200, "Site": "javascript:alert(1)"},
        {"FirstName": " .", "City": ". ", "Site": f"{LINKS.public_url}/t/u/abc"},
    ],
)
def test_a_newsletter_says_the_same(
    values: dict[str, str], links: bool, opens: bool, utm: bool, pre_header: str
) -> None:
    tracked = tracking(links=links, opens=opens, utm=utm)

    part = by_stencil(NEWSLETTER, context(values), tracked, pre_header)

    assert part is not None
    assert said(part) == said(the_long_way(NEWSLETTER, context(values), tracked, pre_header))


@pytest.mark.parametrize(
    "source",
    [
        "<a{{ Subscriber:A }} href='https://x.example/'>y</a>",
        "<{{ Subscriber:A }} href='https://x.example/'>y",
        "<td width={{ Subscriber:A }} title='a>b'>",
        "<a class='{{ Subscriber:A }}' href='https://x.example/'>y</a>",
        "<!-- {{ Subscriber:A }} --> <a href='https://x.example/'>y</a>",
        "<!--[if mso]> {{ Subscriber:A }}> <a href='https://x.example/'>y</a><![endif]-->",
        "<title>x</ti{{ Subscriber:A }}> <a href='https://x.example/'>y</a>",
        "<p>y</p> <a {{ Subscriber:A }}",
        "<title>{{ Subscriber:A }}",
        " {{ Subscriber:A }} <!doctype html><p>x</p>",
        "x\r{{ Subscriber:A }}\ny",
        "x\n{{ Subscriber:A }}",
        "<a href='https://x.example/\n{{ Subscriber:A }}'>y</a>",
        "<a href='https://x.example/<body>{{ Subscriber:A }}'>y</a>",
        "{{ Subscriber:A }}",
        "\ufdd00\ufdd1{{ Subscriber:A }}",
    ],
)
def test_where_a_value_could_change_more_than_itself_there_is_no_stencil(source: str) -> None:
    assert by_stencil(source, context({"A": "x"}), tracking(opens=False), "pre") is None


@pytest.mark.parametrize("value", ["<b>", '"', "'", "a\nb", "a\rb", "\x00", "\ud800", "x" * (LONGEST_VALUES + 1)])
def test_a_value_that_is_not_harmless_goes_the_long_way(value: str) -> None:
    source = "<p>{{{ Subscriber:A }}}</p>"

    assert by_stencil(source, context({"A": "harmless &amp; plain"}), tracking()) is not None
    assert by_stencil(source, context({"A": value}), tracking()) is None


def test_a_text_that_is_mostly_not_latin_is_sent_in_base64() -> None:
    source = "<p>Здравствуйте, {{ Subscriber:A }}!</p>" + "Новости недели. " * 40

    part = by_stencil(source, context({"A": "Аня"}), tracking())

    assert part is not None
    assert b"base64" in part
    assert said(part) == said(the_long_way(source, context({"A": "Аня"}), tracking()))


PIECES = (
    *"<>\"'=-/!.&; \t\r\nax",
    "<a ", "<area ", " href=", " class=", "</a>", "<p>", "</p>", "<td", " title=", "<b", "<!--", "-->", "<!--[if", "[i",
    "<style>", "</style>", "<title>", "</title", "</body>", "<body>", "<body ", "</head>", "<!doctype html>",
    "no-link-",
    "https://x.example/?a=", "=\"https://x.example/\"", "&amp;", "&#", "ü", "y" * 70, "\r\n",
    "{{ if Subscriber:A=x }}", "{{ else }}", "{{ endif }}", "[[", "|", "]]", "[UPPER:", "]",
    "{{ Subscriber:A }}", "{{ Subscriber:B }}", "{{{ Subscriber:A }}}", "{{ Subscriber:B | \"f\" }}", "%Subscriber:A%",
    "{{ Link:Unsubscribe }}", "{{ nl2br Subscriber:A }}", "<a href=\"", "\">",
    "<a href=\"https://x.example/{{ Subscriber:A }}\">",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "-",
            "--",
            "x",
            "a",
            "a ",
            "itle",
            "doctype",
            "[if",
            "!--",
            "track",
            "/",
            "https://y.example/",
            "=",
            "&",
        ]
    ),
    st.text(max_size=12),
)


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=24),
    values=st.fixed_dictionaries({"A": VALUES, "B": VALUES}),
    links=st.booleans(),
    opens=st.booleans(),
    utm=st.booleans(),
    pre_header=st.sampled_from(["", "pre"]),
)
def test_whatever_the_text_a_stencil_says_what_the_long_way_says(
    pieces: list[str], values: dict[str, str], links: bool, opens: bool, utm: bool, pre_header: str
) -> None:
    source = "".join(pieces)
    tracked = tracking(links=links, opens=opens, utm=utm)

    part = by_stencil(source, context(values), tracked, pre_header)

    if part is not None:
        assert said(part) == said(the_long_way(source, context(values), tracked, pre_header))


def test_the_mail_around_it_reads_the_same() -> None:
    values = {"FirstName": "Ann", "City": "Bonn", "Site": ""}
    document = tracking().html(personalization.compile(NEWSLETTER).render(context(values), mode=Mode.HTML))
    part = by_stencil(NEWSLETTER, context(values), tracking(), "soon")

    one = message_from_bytes(build(mail(html=document, pre_header="soon")), _class=EmailMessage, policy=policy.default)
    other = message_from_bytes(build(mail(html=None, html_part=part)), _class=EmailMessage, policy=policy.default)

    assert one.items() == other.items()
    for subtype in ("plain", "html"):
        both = [each.get_body((subtype,)) for each in (one, other)]
        contents = [each.get_content() for each in both if each is not None]
        assert len(contents) == 2
        assert contents[0] == contents[1]


def test_a_stencil_is_cut_for_the_second_mail_of_its_kind() -> None:
    stencils = Stencils()
    template = personalization.compile("<p>{{ if Subscriber:A=x }}one{{ else }}other{{ endif }} {{ Subscriber:A }}</p>")

    def part(value: str, tracked: MailTracking) -> bytes | None:
        return stencils.part(template, context({"A": value}), tracked, "")

    assert [part("x", tracking()) is None, part("x", tracking(2)) is None] == [True, False]
    assert part("y", tracking()) is None, "another branch"
    assert part("x", tracking(opens=False)) is None, "tracked in another manner"
    assert stencils.part(template, context({"A": "x"}), tracking(), "pre") is None, "with a pre-header"


def test_stencils_do_not_grow_without_bounds() -> None:
    stencils = Stencils()
    for number in range(5):
        template = personalization.compile(f"{number}" + "x" * (MOST_OCTETS // 3) + "{{ Subscriber:A }}")
        for _ in range(2):
            stencils.part(template, context({"A": "x"}), tracking(), "")
        assert stencils.octets <= MOST_OCTETS
