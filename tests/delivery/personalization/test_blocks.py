"""Conditionals, modifiers, spinners and random texts."""

import re

import pytest

from journeys_api.delivery.personalization import Mode, compile
from journeys_api.delivery.personalization.person_names import FIRST_NAMES, LAST_NAMES
from tests.delivery.personalization.rendering import context, html, text

CONDITIONS = [
    ("Country=United States", True),
    ("Country = United States", True),
    ('Country="United States"', True),
    ("Country==United States", True),
    ("Country=united states", False),
    ("Country=United", False),
    ("Country!=United States", False),
    ("Country!=US", True),
    ("Country<>US", True),
    ("Country<>", True),
    ("Empty<>", False),
    ("Blank<>", False),
    ("Unknown<>", False),
    ("Country", True),
    ("Empty", False),
    ("Empty=", True),
    ('Empty=""', True),
    ("Empty!=", False),
    ("Unknown=", True),
    ("Age=33", True),
    ("Age=33.0", True),
    ("Age=033", True),
    ("Age>32", True),
    ("Age>33", False),
    ("Age>=33", True),
    ("Age<100", True),
    ("Age<=33", True),
    ("Age<=32.99", False),
    ("Empty<30", False),
    ("Empty>-1", False),
    ("Country>5", False),
    ("Age>abc", False),
    ("BirthDate>2024-12-24", True),
    ("BirthDate<2024-12-24", False),
    ("BirthDate>=2024-12-25", True),
    ("Age&gt;32", True),
    ("Country&lt;&gt;", True),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_operators(condition: str, expected: bool) -> None:
    assert text(f"{{{{ if Subscriber:{condition} }}}}yes{{{{ else }}}}no{{{{ endif }}}}") == (
        "yes" if expected else "no"
    )
    name = re.match(r"\w+", condition)
    assert name is not None
    legacy = f"[IF:%Subscriber:{name.group()}%{condition[name.end() :]}]yes[ELSE]no[ENDIF]"
    assert text(legacy) == ("yes" if expected else "no")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ if Subscriber:Age>5 }}a{{ endif }}", "a"),
        ("{{ if Subscriber:Age<5 }}a{{ endif }}", ""),
        ("{{IF subscriber:age>5}}a{{ELSE}}b{{ENDIF}}", "a"),
        ("{{ if Age>5 }}a{{ endif }}", "a"),
        ("{{ if List:Name=News }}a{{ endif }}", "a"),
        ("{{ if dateFormat-m Now=03 }}march{{ endif }}", "march"),
        ("{{ if lowercase Subscriber:City=berlin }}a{{ endif }}", "a"),
        ("{{ if Subscriber:LastName=O'Connor &amp; Söhne }}a{{ endif }}", "a"),
        ("{{ if Subscriber:Age>5 }}1{{ if Subscriber:Age>40 }}2{{ else }}3{{ endif }}4{{ else }}5{{ endif }}6", "1346"),
        ("{{ if Subscriber:Age>50 }}1{{ else }}2{{ if Subscriber:Age>30 }}3{{ endif }}{{ endif }}", "23"),
        ("[IF:%Subscriber:Age%>5]1[IF:%Subscriber:Age%>40]2[ELSE]3[ENDIF]4[ENDIF]", "134"),
        ("[IF:%Subscriber:Age%>5]1{{ if Subscriber:Age>40 }}2{{ else }}3{{ endif }}[ELSE]4[ENDIF]", "13"),
        ("{{ if Subscriber:Age>5 }}1[IF:%Subscriber:Age%>40]2[ELSE]3[ENDIF]{{ endif }}", "13"),
        ('[IF:%Subscriber:FirstName%!=""]Hello %Subscriber:FirstName%,[ELSE]Hello,[ENDIF]', "Hello sarah,"),
        ('[IF:"%Subscriber:FirstName%"="sarah"]a[ENDIF]', "a"),
        ("[IF:sarah=%Subscriber:FirstName%]a[ENDIF]", "a"),
        ("[IF:%Subscriber:FirstName%=%Subscriber:LastName%]a[ELSE]b[ENDIF]", "b"),
        ("[IF:%Subscriber:Empty%<>%Subscriber:FirstName%]a[ENDIF]", "a"),
        ("[IF:{{ Subscriber:Age }}>5]a[ENDIF]", "a"),
        ("[IF:%Date=N%=3]wednesday[ENDIF]", "wednesday"),
        ("[IF:%Subscriber:Empty%]a[ELSE]b[ENDIF]", "b"),
        ("[IF:5>3]a[ENDIF]", "a"),
    ],
)
def test_conditionals_choose_their_text(template: str, expected: str) -> None:
    assert text(template) == expected


def test_operators_inside_a_value_are_not_the_conditions() -> None:
    assert text("[IF:%Subscriber:X%=a>b]yes[ENDIF]", {"X": "a>b"}) == "yes"


BROKEN = [
    ("{{ if Subscriber:Age>5 }} {{ FirstName }}", "{{ if Subscriber:Age>5 }} sarah"),
    ("{{ if Subscriber:Age>5 }}a{{ else }}b", "{{ if Subscriber:Age>5 }}a{{ else }}b"),
    ("a{{ endif }}{{ else }}[ELSE][ENDIF]", "a{{ endif }}{{ else }}[ELSE][ENDIF]"),
    ("[IF:%Subscriber:Age%>5]a[ELSE]b", "[IF:%Subscriber:Age%>5]a[ELSE]b"),
    ("{{ if Subscriber:Age>5 }}a[ENDIF]", "{{ if Subscriber:Age>5 }}a[ENDIF]"),
    ("{{ if 7*7 }}a{{ else }}b{{ endif }}", "{{ if 7*7 }}a{{ else }}b{{ endif }}"),
    ("{{ if Planet:X=1 }}{{ if Age>5 }}a{{ endif }}{{ endif }}", "{{ if Planet:X=1 }}a{{ endif }}"),
    ("{{ if Age>5 }}a{{ if ? }}b{{ endif }}c{{ endif }}d", "a{{ if ? }}b{{ endif }}cd"),
    ("{{ if Age>5 }}a{{ else }}b{{ else }}c{{ endif }}", "a"),
    ("{{ if Age>5 }}a[UPPER:b{{ endif }}c", "a[UPPER:bc"),
    ("{{ if Age>5 }}a[[b|{{ endif }}c]]", "a[[b|c]]"),
    ("[UPPER:a {{ FirstName }}", "[UPPER:a sarah"),
    ("[[a|{{ FirstName }}", "[[a|sarah"),
    ("[IF:x=x]{{ if Age>5 }}a[ENDIF]{{ endif }}", "{{ if Age>5 }}a{{ endif }}"),
]


@pytest.mark.parametrize(("template", "expected"), BROKEN)
def test_a_broken_block_loses_no_text_and_is_reported(template: str, expected: str) -> None:
    compiled = compile(template)

    assert compiled.render(context(), mode=Mode.TEXT) == expected
    assert compiled.problems


def test_problems_name_the_tag() -> None:
    assert compile("{{ if Age>5 }}[ELSE]").problems == (
        "[ELSE] belongs to no condition",
        "{{ if Age>5 }} is never closed",
    )
    assert compile("{{ if Age>5 }}a{{ endif }} [[a|b]] [UPPER:x] [[x").problems == ()


def test_blocks_nest_to_a_depth_and_are_text_below() -> None:
    deep = "{{ if Age>5 }}" * 40 + "x" + "{{ endif }}" * 40

    compiled = compile(deep)

    assert compiled.render(context(), mode=Mode.TEXT) == "{{ if Age>5 }}" * 8 + "x" + "{{ endif }}" * 8
    assert compiled.problems == ("{{ if Age>5 }} is nested deeper than 32",)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Dear [TITLE:%Subscriber:X% connor],", "Dear Sarah Connor,"),
        ("[TITLE:%Subscriber:X%'s sister-in-law]", "Sarah's Sister-in-law"),
        ("[UPPER:a %Subscriber:X% b]", "A SARAH B"),
        ("[LOWER:A {{ Subscriber:X }} B]", "a sarah b"),
        ('[UPPER:{{ Subscriber:Empty|"there" }}]', "THERE"),
        ("[UPPER:a [LOWER:B] c]", "A b C"),
        ("[UPPER:{{ if Age>5 }}a{{ else }}b{{ endif }}]", "A"),
        ("[UPPER:[[a|a]]]", "A"),
        ("[UPPER:%Link:Unsubscribe%]", "https://t.example/u?a=1&b=2"),
        ("[UPPER:a[1]b]", "A[1b]"),
        ("[UPPER:]", ""),
    ],
)
def test_modifiers_change_text_and_values(template: str, expected: str) -> None:
    assert text(template, {"X": "sARAH"}) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("[UPPER:a&nbsp;&lt;b]", "A&nbsp;&lt;B"),
        ("[TITLE:a&nbsp;b]", "A&nbsp;B"),
        ('[UPPER:<a href="/x" class=y>go</a> on]', '<a href="/x" class=y>GO</a> ON'),
        ('[UPPER:<a href="{{ Link:Unsubscribe }}">go</a>]', '<a href="https://t.example/u?a=1&amp;b=2">GO</a>'),
        (
            '[UPPER:<a href="/?{{ Subscriber:FirstName }}">{{ Subscriber:FirstName }}</a>]',
            '<a href="/?sarah">SARAH</a>',
        ),
        ("[UPPER:%Subscriber:X%]", "A&lt;B"),
        ("[TITLE:one <b>two</b>]", "One <b>Two</b>"),
    ],
)
def test_modifiers_leave_markup_alone(template: str, expected: str) -> None:
    assert html(template, {"X": "a<b"}) == expected


def test_spinners_choose_one_variant() -> None:
    template = compile('[[Hello|Hi {{ FirstName|"x|y" }}|Hey]], [[a|[[b|c]]]]')

    seen = {template.render(context(seed=seed), mode=Mode.TEXT) for seed in range(200)}

    assert seen == {f"{greeting}, {letter}" for greeting in ("Hello", "Hi sarah", "Hey") for letter in "abc"}


def test_an_empty_variant_is_a_variant() -> None:
    seen = {compile("[[a|]]").render(context(seed=seed), mode=Mode.TEXT) for seed in range(50)}

    assert seen == {"a", ""}


RANDOM = "%Random:FirstName% %Random:LastName% %Random:Letters:6% %Random:Numbers:4% %Random:Alpha:8%"


def test_random_tags_have_their_shapes() -> None:
    first, last, letters, numbers, alpha = text(RANDOM).split(" ")

    assert first in FIRST_NAMES
    assert last in LAST_NAMES
    assert re.fullmatch("[A-Z]{6}", letters)
    assert re.fullmatch("[0-9]{4}", numbers)
    assert re.fullmatch("[A-Za-z0-9]{8}", alpha)


def test_a_retry_says_the_same_and_another_delivery_does_not() -> None:
    template, again = compile(RANDOM + "[[a|b|c]]"), compile(RANDOM + "[[a|b|c]]")

    first = template.render(context(seed=41), mode=Mode.HTML)

    assert template.render(context(seed=41), mode=Mode.HTML) == first
    assert again.render(context(seed=41), mode=Mode.HTML) == first
    assert again.render(context(seed=41), mode=Mode.TEXT) == first
    assert template.render(context(seed=42), mode=Mode.HTML) != first
    assert template.render(context(seed=-(10**30)), mode=Mode.HTML) != first


def test_two_random_tags_of_one_text_differ() -> None:
    one, other = text("%Random:Alpha:20% %Random:Alpha:20%").split(" ")

    assert one != other


def test_the_same_spinners_choose_alike_in_both_bodies() -> None:
    both = [compile(body).render(context(seed=5), mode=Mode.TEXT) for body in ("a [[1|2|3|4|5]]", "b [[1|2|3|4|5]]")]

    assert both[0][-1] == both[1][-1]
