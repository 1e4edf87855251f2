"""Which links of a mail are tracked, and that nothing else of it changes."""

import html
from html.parser import HTMLParser
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys_api.delivery.link_places import attribute_text
from journeys_api.delivery.tracked_links import with_tracked_links, with_tracked_text
from journeys_api.links.targets import web_address, with_parameters

OWN = "https://mail.example/t/"


def track(target: str) -> str | None:
    return f"{OWN}k/{quote(target, safe='')}"


def tracked(document: str) -> str:
    return with_tracked_links(document, track, own=OWN, picture=None)


def target_of(link: str) -> str:
    assert link.startswith(f"{OWN}k/"), link
    return unquote(link.removeprefix(f"{OWN}k/"))


class Addresses(HTMLParser):
    """The links of a document as an independent parser reads them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("a", "area"):
            self.found += [value for name, value in attrs if name == "href" and value is not None]


def addresses(document: str) -> list[str]:
    parser = Addresses()
    parser.feed(document)
    parser.close()
    return parser.found


@pytest.mark.parametrize(
    ("element", "target"),
    [
        ('<a href="https://shop.example/">x</a>', "https://shop.example/"),
        ("<A class='b' HREF='HTTP://shop.example'>x</A>", "HTTP://shop.example"),
        ("<a href=https://shop.example/a?b=c>x</a>", "https://shop.example/a?b=c"),
        ('<a\n title="a > b"\n href = "https://shop.example/"\n>x</a>', "https://shop.example/"),
        ('<map><area shape="rect" href="https://shop.example/area"></map>', "https://shop.example/area"),
        ('<a/href="https://shop.example/">x</a>', "https://shop.example/"),
        ('<a href="https://shop.example/?a=1&amp;b=2">x</a>', "https://shop.example/?a=1&b=2"),
        ('<a href="https://shop.example/?a=1&b=2&copy=3&para;">x</a>', "https://shop.example/?a=1&b=2&copy=3%C2%B6"),
        ('<a href="https://shop.example/?a=1&#38;b=&#x41;">x</a>', "https://shop.example/?a=1&b=A"),
        ('<a href="  https://shop.example/a\n b  ">x</a>', "https://shop.example/a%20b"),
        ('<a href="https://bücher.example/ä?ö=ü#é">x</a>', "https://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC#%C3%A9"),
        ('<a href="https://shop.example/%zz|^{}`">x</a>', "https://shop.example/%zz|^{}`"),
        ('<a href="https://one.example/" href="https://two.example/">x</a>', "https://one.example/"),
        ('<a data-href="https://no.example/" href="https://shop.example/">x</a>', "https://shop.example/"),
        ('<!--[if mso]><a href="https://shop.example/mso">x</a><![endif]-->', "https://shop.example/mso"),
        ("<script>'<a href=\"https://no.example/\">'</script><a href=\"https://shop.example/\">x</a>",
         "https://shop.example/"),
        ('1 < 2 <3 <a href="https://shop.example/">x</a>', "https://shop.example/"),
    ],
)  # fmt: skip
def test_a_web_link_is_tracked_with_what_a_browser_would_ask_for(element: str, target: str) -> None:
    changed = tracked(element)

    links = [link for link in addresses(changed.replace("<!--[if mso]>", "")) if link.startswith(OWN)]
    assert [target_of(link) for link in links] == [target]


@pytest.mark.parametrize(
    "element",
    [
        '<a href="#top">x</a>',
        '<a href="mailto:ada@example.com">x</a>',
        '<a href="tel:+1">x</a><a href="sms:+1">x</a>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<a href="//evil.example/">x</a>',
        '<a href="/relative">x</a><a href="">x</a><a href>x</a><a>x</a>',
        '<a href="https:///x">x</a><a href="https://">x</a><a href="https://a b.example/">x</a>',
        f'<a href="{OWN}u/token">x</a>',
        '<a class="button no-link-track" href="https://shop.example/">x</a>',
        "<a href=https://shop.example/ class=no-link-track>x</a>",
        '<!-- <a href="https://shop.example/">x</a> -->',
        "<style>/* <a href='https://shop.example/'> */</style>",
        "<textarea><a href='https://shop.example/'></textarea>",
        "<img alt='<a href=\"https://shop.example/\">' src=https://shop.example/x.png>",
        '<abbr href="https://shop.example/">x</abbr><link href="https://shop.example/x.css">',
        '<form action="https://shop.example/"></form>',
        '<a href="https://shop.example/',
    ],
)
def test_what_is_not_to_be_tracked_stays_to_the_byte(element: str) -> None:
    assert tracked(element) == element


def test_a_target_too_long_for_a_link_stays() -> None:
    element = '<a href="https://shop.example/">x</a>'

    assert with_tracked_links(element, lambda _: None, own=OWN, picture=None) == element


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("<body><p>x</p></body></html>", "<body><p>x</p>|</body></html>"),
        ("<p>x</p>", "<p>x</p>|"),
        ("<body>x</BODY >", "<body>x|</BODY >"),
        ("<body><!-- </body> -->x</body>", "<body><!-- </body> -->x|</body>"),
        ("</body><p>x</p></body>", "</body><p>x</p>|</body>"),
    ],
)
def test_the_picture_stands_at_the_end_of_the_body(document: str, expected: str) -> None:
    changed = with_tracked_links(document, None, own=OWN, picture=f"{OWN}o/token")

    before, after = expected.split("|")
    assert changed.startswith(f'{before}<img src="{OWN}o/token"')
    assert changed.endswith(f">{after}")


pieces = st.sampled_from(
    ["<a href=", '"', "'", ">", "</a>", "https://shop.example/", "&amp;", "&", "<!--", "-->", "<style>", "</style>",
     " ", "class=", "no-link-track", "<b x=", "=", "text", "<", "</body>", "\n", "ä", "<area ", "/>", "#", "?a=1"]
)  # fmt: skip


@given(st.lists(pieces, max_size=40).map("".join))
def test_any_text_comes_back_when_the_links_are_put_back(document: str) -> None:
    marked: dict[str, str] = {}

    def remember(target: str) -> str:
        marked[f"{OWN}k/{len(marked):04}"] = target
        return f"{OWN}k/{len(marked) - 1:04}"

    changed = with_tracked_links(document, remember, own=OWN, picture=None)

    # between the links everything is as it was, in order
    at = 0
    for place, piece in enumerate(changed.split(f"{OWN}k/")):
        kept = piece[4:] if place else piece
        found = document.find(kept, at)
        assert found >= 0
        at = found + len(kept)
    assert all(target == web_address(target) for target in marked.values())


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
def test_whatever_an_address_holds_its_target_is_what_was_meant(path: str) -> None:
    written = html.escape(f"https://shop.example/{path}")

    (link,) = addresses(tracked(f'<a href="{written}">x</a>'))

    assert target_of(link) == web_address(f"https://shop.example/{path}")
    assert target_of(link).isascii()


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("&amp;&AMP;&amp", "&&&"),
        ("&ampb &amp=b &amp?b", "&ampb &amp=b &?b"),
        ("&copy=1&copy;=1", "&copy=1©=1"),
        ("&notit; &notin; &not;", "&notit; ∉ ¬"),
        ("&#38;&#038x&#x26;&#X26", "&&x&&"),
        ("&#128;&#0;&#xD800;&#99999999999999999999;", "€\ufffd\ufffd\ufffd"),
        ("& &; &nosuch; &#; &#x;", "& &; &nosuch; &#; &#x;"),
    ],
)
def test_references_in_attributes_mean_what_browsers_make_of_them(source: str, meant: str) -> None:
    assert attribute_text(source) == meant


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("Look: https://shop.example/a?b=1. Bye", ["https://shop.example/a?b=1"]),
        ("(https://shop.example/a_(b)) <http://shop.example>!", ["https://shop.example/a_(b)", "http://shop.example"]),
        ("https://shop.example/für, https://shop.example/", ["https://shop.example/f%C3%BCr", "https://shop.example/"]),
        (f"{OWN}u/token ftp://x.example mailto:a@b.example www.shop.example xhttps://no.example", []),
        ('"https://shop.example/": https://shop.example/#a', ["https://shop.example/", "https://shop.example/#a"]),
    ],
)
def test_web_addresses_in_plain_text_are_tracked_without_the_punctuation(text: str, targets: list[str]) -> None:
    seen: list[str] = []

    def tracked(target: str) -> str:
        seen.append(target)
        return f"{OWN}k/{len(seen)}"

    changed = with_tracked_text(text, tracked, own=OWN)

    assert seen == targets
    for number, target in enumerate(targets, 1):
        changed = changed.replace(f"{OWN}k/{number}", target)
    assert changed == text.replace("für", "f%C3%BCr")


def test_parameters_are_added_before_the_fragment_and_never_twice() -> None:
    new = [("pr", "a b"), ("x", "1")]

    assert with_parameters("https://e.example", new) == "https://e.example?pr=a%20b&x=1"
    assert with_parameters("https://e.example/?a=%20&b#c?d", new) == "https://e.example/?a=%20&b&pr=a%20b&x=1#c?d"
    assert with_parameters("https://e.example/?pr=1&x", new) == "https://e.example/?pr=1&x"
    assert with_parameters("https://e.example/?", new) == "https://e.example/?pr=a%20b&x=1"
