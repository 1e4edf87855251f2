"""How values are written: HTML, addresses inside it, text, headers and addresses of their own."""

import hashlib

import pytest

from journeys_api.delivery.personalization import Mode, compile
from tests.delivery.personalization.rendering import context, html, text

SARAH_MD5 = hashlib.md5(b"sarah").hexdigest()


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ Subscriber:LastName }}", "O&#39;Connor &amp; Söhne"),
        ("%Subscriber:LastName%", "O&#39;Connor &amp; Söhne"),
        ("{{{ Subscriber:LastName }}}", "O'Connor & Söhne"),
        ("{{ raw Subscriber:LastName }}", "O'Connor & Söhne"),
        ("{{ Subscriber:Markup }}", "&lt;img src=x onerror=alert(1)&gt;"),
        ("{{{ Subscriber:Markup }}}", "<img src=x onerror=alert(1)>"),
        ('<p title="{{ Subscriber:LastName }}">', '<p title="O&#39;Connor &amp; Söhne">'),
        ('{{ Subscriber:Empty|"<b>you</b>" }}', "&lt;b&gt;you&lt;/b&gt;"),
        ('{{ Subscriber:Empty|"you &amp; me &copy;" }}', "you &amp; me &copy;"),
        ('{{ Subscriber:Empty|"you & me" }}', "you &amp; me"),
        ('{{{ Subscriber:Empty|"<b>you</b>" }}}', "<b>you</b>"),
        ("<script>x = '{{ Subscriber:Markup }}'</script>", "<script>x = '&lt;img src=x onerror=alert(1)&gt;'</script>"),
    ],
)
def test_html_escapes_values(template: str, expected: str) -> None:
    assert html(template) == expected


MAIL = "sarah%2Bnews%40example.com"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('<a href="https://x/?e={{ Subscriber:EmailAddress }}">', f'<a href="https://x/?e={MAIL}">'),
        ("<a href='https://x/?e={{ Subscriber:EmailAddress }}'>", f"<a href='https://x/?e={MAIL}'>"),
        ("<a href=https://x/?e={{ Subscriber:EmailAddress }}>", f"<a href=https://x/?e={MAIL}>"),
        ('<A class="b" HREF = "https://x/{{ Subscriber:LastName }}/">', '<A class="b" HREF = "https://x/O%27Connor%20%26%20S%C3%B6hne/">'),
        ('<a href="https://x/?e=%Subscriber:EmailAddress%">', f'<a href="https://x/?e={MAIL}">'),
        ('<a href="https://x/?e={{urlEncode Subscriber:EmailAddress}}">', f'<a href="https://x/?e={MAIL}">'),
        ('<a href="https://x/?e={{encodeURI Subscriber:EmailAddress}}">', f'<a href="https://x/?e={MAIL}">'),
        ('<a href="https://x/?e={{{ Subscriber:EmailAddress }}}">', '<a href="https://x/?e=sarah+news@example.com">'),
        ('<a href="https://x/?n={{ Subscriber:Empty|"a b" }}">', '<a href="https://x/?n=a%20b">'),
        ('<a href="https://x/?h={{ md5 Subscriber:FirstName }}">', f'<a href="https://x/?h={SARAH_MD5}">'),
        ('<a href="{{ Link:Unsubscribe }}">', '<a href="https://t.example/u?a=1&amp;b=2">'),
        ('<a href="{{{ Link:Unsubscribe }}}">', '<a href="https://t.example/u?a=1&b=2">'),
        ('<a href="%Link:Unsubscribe%">', '<a href="https://t.example/u?a=1&amp;b=2">'),
        ('<a href="{{ User:Website }}">', '<a href="https://acme.example/?a=1&amp;b=2">'),
        ('<a href=" {{ User:Website }}">', '<a href=" https://acme.example/?a=1&amp;b=2">'),
        ('<a href="x{{ User:Website }}">', '<a href="xhttps%3A%2F%2Facme.example%2F%3Fa%3D1%26b%3D2">'),
        ('<img src="{{ User:Website }}" alt="{{ User:CompanyName }}">',
            '<img src="https://acme.example/?a=1&amp;b=2" alt="Acme &amp; Co">'),
        ('<a href="mailto:{{ Subscriber:EmailAddress }}?subject={{ Subscriber:EmailAddress }}">',
            f'<a href="mailto:sarah+news@example.com?subject={MAIL}">'),
        ('<!--[if mso]><v:rect href="https://x/?e={{ EmailAddress }}"><![endif]-->', f'<!--[if mso]><v:rect href="https://x/?e={MAIL}"><![endif]-->'),
        ('<!-- <a href="x --> {{ Subscriber:EmailAddress }}', '<!-- <a href="x --> sarah+news@example.com'),
        ('<a href="a">{{ Subscriber:EmailAddress }}</a>', '<a href="a">sarah+news@example.com</a>'),
        ('<a href="{{ if Subscriber:Age>30 }}https://x/{{ else }}y{{ endif }}{{ EmailAddress }}">', f'<a href="https://x/{MAIL}">'),
        ('<style>a>b{}</style><a href="?{{ EmailAddress }}">', f'<style>a>b{{}}</style><a href="?{MAIL}">'),
    ],
)  # fmt: skip
def test_attributes_that_hold_addresses_get_percent_encoded_values(template: str, expected: str) -> None:
    assert html(template) == expected


@pytest.mark.parametrize(
    "scheme", ["javascript:alert(1)", "data:text/html,x", "//evil.example", " JaVaScRiPt:x", "vbscript:x"]
)
def test_a_value_cannot_bring_a_dangerous_scheme(scheme: str) -> None:
    answer = html('<a href="{{ Subscriber:X }}">', {"X": scheme})

    assert ":" not in answer
    assert "//" not in answer


QUOTED = [
    '<p title="{{ Subscriber:X }}">',
    "<p title='{{ Subscriber:X }}'>",
    '<a href="{{ Subscriber:X }}">',
    '<a href="https://x/{{ Subscriber:X }}">',
    '<a href="mailto:{{ Subscriber:X }}">',
    '<a title="{{ Subscriber:Y }}{{ Subscriber:X }}">',
    "<!-- {{ Subscriber:X }} -->",
    "<p>{{ Subscriber:X }}</p>",
    "<p>%Subscriber:X%</p>",
    "<p>{{ nl2br Subscriber:X }}</p>",
    "<p>[UPPER:{{ Subscriber:X }}]</p>",
    "<p>{{ decodeURI Subscriber:X }}</p>",
]
BARE = [
    "<p title={{ Subscriber:X }}>",
    "<p {{ Subscriber:X }}>",
    "<a href={{ Subscriber:X }}>",
    "<a href=https://x/{{ Subscriber:X }}>",
]
EVIL = "\"'><img src=x onerror=alert(1)> a=b&c/`"


@pytest.mark.parametrize("template", [*QUOTED, *BARE])
@pytest.mark.parametrize("value", [EVIL, "https://x.example/" + EVIL, "%3Cimg%20src=x%3E"])
def test_a_value_never_leaves_its_place(template: str, value: str) -> None:
    answer = html(template, {"X": value, "Y": "y"})

    for character in "<>\"'":
        assert answer.count(character) == template.count(character)
    if template in BARE:
        assert answer.count(" ") == 1, "a blank would begin another attribute"


@pytest.mark.parametrize(
    "form", ["{{ Subscriber:X }}", "{{{ Subscriber:X }}}", "%Subscriber:X%", "{{ raw Subscriber:X }}"]
)
def test_text_is_not_encoded(form: str) -> None:
    assert text(form, {"X": "<b> & \"'\r\n{{ EmailAddress }}"}) == "<b> & \"'\r\n{{ EmailAddress }}"


@pytest.mark.parametrize(
    "form",
    [
        "{{ Subscriber:X }}",
        "{{{ Subscriber:X }}}",
        "%Subscriber:X%",
        "{{ raw Subscriber:X }}",
        '{{ Subscriber:No|"x" }}{{ Subscriber:X }}',
    ],
)
@pytest.mark.parametrize(
    "control", ["\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x1f", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"]
)
def test_headers_get_no_line_breaks_and_controls_from_values(form: str, control: str) -> None:
    template = compile("Re: " + form)

    answer = template.render(context({"X": f"a{control}Bcc: v@x & <b>{control}"}), mode=Mode.HEADER)

    assert answer.endswith("a Bcc: v@x & <b>")
    assert all(character.isprintable() for character in answer)


def test_headers_have_no_links() -> None:
    template = compile("{{ Link:Unsubscribe }}%Link:Unsubscribe%{{{ Link:Unsubscribe }}}x")

    assert template.render(context(), mode=Mode.HEADER) == "x"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("https://x/?e={{ Subscriber:EmailAddress }}", f"https://x/?e={MAIL}"),
        ("https://x/?e=%Subscriber:EmailAddress%&h=%Subscriber:LastName%", f"https://x/?e={MAIL}&h=O%27Connor%20%26%20S%C3%B6hne"),
        ("https://x/?e={{ urlEncode Subscriber:EmailAddress }}", f"https://x/?e={MAIL}"),
        ("{{ User:Website }}", "https://acme.example/?a=1&b=2"),
        ("{{ Link:Unsubscribe }}", "https://t.example/u?a=1&b=2"),
        ("x{{ User:Website }}", "xhttps%3A%2F%2Facme.example%2F%3Fa%3D1%26b%3D2"),
        ("https://x/{{{ Subscriber:Path }}}", "https://x/a/b?c=1%0D%0A%20d"),
    ],
)  # fmt: skip
def test_addresses_of_their_own_get_percent_encoded_values(template: str, expected: str) -> None:
    given = context({"Path": "a/b?c=1\r\n d"})

    assert compile(template).render(given, mode=Mode.URL) == expected


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    "form",
    [
        "{{ Subscriber:X }}",
        "{{{ Subscriber:X }}}",
        "%Subscriber:X%",
        "[UPPER:%Subscriber:X%]",
        "{{ Event:Property:x }}",
    ],
)
def test_values_are_never_read_as_tags(mode: Mode, form: str) -> None:
    value = "{{ EmailAddress }} %EmailAddress% [[a|b]] [IF:1=1]x[ENDIF] %Date=Y% %Random:Letters:5% [UPPER:x]"
    given = context({"X": value}, namespaces={"Event": {"Property": {"x": value}}})

    answer = compile(form).render(given, mode=mode)

    assert "sarah" not in answer.lower()
    assert "2026" not in answer
