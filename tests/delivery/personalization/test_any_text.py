"""Properties that hold for every text and value, and bounds of size and time."""

import html as std_html
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys_api.delivery.personalization import Mode, RenderingTooLarge, compile
from tests.delivery.personalization.rendering import context

PIECES = [
    "{{", "}}", "{{{", "}}}", "{{ Subscriber:X }}", "{{{ Subscriber:X }}}", "%Subscriber:X%", "%", "[[", "]]",
    "|", "]", "[", "[UPPER:", "[TITLE:", "[IF:%Subscriber:X%=1]", "[ELSE]", "[ENDIF]",
    "{{ if Subscriber:X=1 }}", "{{ else }}", "{{ endif }}", '{{ Subscriber:No|"f" }}', "{{ dateFormat-Y Now }}",
    "%Date=Y%", "%Random:Alpha:3%", "%RemoteContent=https://x/", "%RemoteContent=https://x/%Subscriber:X%%",
    '<a href="', '">', "<p title='", "'", "<", ">", "<!--", "-->", "<script>", "</script>", "=", " ", "a", "\n",
    "&amp;", "{{link}}", "{{ x }}",
]  # fmt: skip
TEMPLATES = st.one_of(
    st.text(), st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=25).map("".join)
)
VALUES = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=6).map("".join))


@settings(max_examples=200, deadline=None)
@given(template=TEMPLATES, value=VALUES)
def test_every_text_is_a_template_and_renders(template: str, value: str) -> None:
    compiled = compile(template)

    for mode in Mode:
        assert isinstance(compiled.render(context({"X": value}), mode=mode), str)
    compiled.remote_urls(context({"X": value}))
    compiled.unreadable_tags(context({"X": value}))


@settings(max_examples=100, deadline=None)
@given(st.text().filter(lambda text: not set(text) & set("{%[")))
def test_static_text_is_untouched(template: str) -> None:
    compiled = compile(template)

    assert compiled.is_static
    assert all(compiled.render(context(), mode=mode) == template for mode in Mode)


@settings(max_examples=100, deadline=None)
@given(value=VALUES)
def test_values_are_put_in_once(value: str) -> None:
    compiled = compile("a{{ Subscriber:X }}b%Subscriber:X%c{{{ Subscriber:X }}}d")
    given_value = context({"X": value})

    assert compiled.render(given_value, mode=Mode.TEXT) == f"a{value}b{value}c{value}d"
    in_html = compiled.render(given_value, mode=Mode.HTML)
    assert std_html.unescape(in_html[: in_html.index("b")]).startswith("a")
    assert in_html.endswith(f"c{value}d")


@settings(max_examples=200, deadline=None)
@given(template=st.lists(st.sampled_from([piece for piece in PIECES if "{{{" not in piece]), max_size=25).map("".join))
def test_html_lets_no_markup_of_a_value_through(template: str) -> None:
    plain, evil = context({"X": "v"}), context({"X": "<v>\"'"})
    compiled = compile(template.replace("{{{", ""))

    with_plain, with_evil = (compiled.render(each, mode=Mode.HTML) for each in (plain, evil))

    for character in "<>\"'":
        assert with_evil.count(character) == with_plain.count(character)


@settings(max_examples=100, deadline=None)
@given(value=st.text())
def test_headers_stay_on_one_line(value: str) -> None:
    answer = compile("{{ Subscriber:X }}{{{ Subscriber:X }}}").render(context({"X": value}), mode=Mode.HEADER)

    assert answer.splitlines() in ([answer], [])
    answer.encode()


MEGABYTE = 1_000_000
BOMBS = {
    "openings": "{{",
    "triple openings": "{{{",
    "tags": "{{ Subscriber:FirstName }}",
    "cut tags": "{{ Subscriber:",
    "old tags": "%Subscriber:X%",
    "cut old tags": "%Subscriber:",
    "percent signs": "%",
    "spinners": "[[a|b]]",
    "cut spinners": "[[|",
    "old conditions": "[IF:",
    "conditions": "{{ if Subscriber:a=1 }}",
    "ends": "{{ endif }}",
    "modifiers": "[UPPER:",
    "elements": "<a ",
    "attributes": "<a b='",
    "cut addresses": "%RemoteContent=https://x/%20",
    "blanks": " ",
    "ampersands": "{{&quot;",
}


@pytest.mark.fuzz
@pytest.mark.parametrize("piece", BOMBS.values(), ids=BOMBS.keys())
def test_parsing_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    def seconds(size: int) -> float:
        template = piece * (size // len(piece))
        begin = time.process_time()
        compile(template)
        return time.process_time() - begin

    # linear parsing takes some ten times as long for the longer one, quadratic parsing a hundred times and more
    assert seconds(MEGABYTE // 10) < max(seconds(MEGABYTE // 100), 0.005) * 50


@pytest.mark.fuzz
def test_an_ordinary_megabyte_is_parsed_within_a_second() -> None:
    row = (
        '<td style="padding:0;color:#fff" class="x y"><a href="https://x.example/a?b={{ Subscriber:EmailAddress }}">'
        "Hi %Subscriber:FirstName%, lorem ipsum dolor sit amet</a></td>\n"
    )
    template = row * (MEGABYTE // len(row))

    def seconds() -> float:
        begin = time.process_time()
        compile(template)
        return time.process_time() - begin

    assert any(seconds() < 1 for _ in range(3))


def test_a_rendering_that_explodes_is_refused() -> None:
    template = compile("{{ Subscriber:X }}" * 100)

    with pytest.raises(RenderingTooLarge):
        template.render(context({"X": "x" * MEGABYTE}), mode=Mode.TEXT)
