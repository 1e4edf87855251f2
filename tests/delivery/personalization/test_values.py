"""Tags of single values: their forms, names and fallbacks, and what is not a tag."""

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from journeys_api.delivery.personalization import Context, Mode, compile
from tests.delivery.personalization.rendering import NOW, context, html, text


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ Subscriber:FirstName }}", "sarah"),
        ("{{Subscriber:FirstName}}", "sarah"),
        ("{{\n\tSubscriber:FirstName\n}}", "sarah"),
        ("{{\xa0Subscriber:FirstName\xa0}}", "sarah"),
        ("{{ subscriber:firstname }}", "sarah"),
        ("{{ SUBSCRIBER:FIRSTNAME }}", "sarah"),
        ("{{{ Subscriber:FirstName }}}", "sarah"),
        ("%Subscriber:FirstName%", "sarah"),
        ("{{ Subscriber:CustomField5 }}", "five"),
        ("{{ Subscriber:First Name }}", "with a blank"),
        ("%Subscriber:First Name%", "with a blank"),
        ("{{ Subscriber:city }}{{ Subscriber:City }}", "berlinBerlin"),
        ("{{ List:ListID }}", "12"),
        ("%List:Name%", "News"),
        ("{{ User:Website }}", "https://acme.example/?a=1&b=2"),
        ("{{ Link:Unsubscribe }}", "https://t.example/u?a=1&b=2"),
        ("%Link:SocialShare:Twitter%", "https://t.example/s"),
        ("{{ link:socialshare:twitter }}", "https://t.example/s"),
        ("{{EmailAddress}}", "sarah+news@example.com"),
        ("{{ emailaddress }}", "sarah+news@example.com"),
        ("%EmailAddress%", "sarah+news@example.com"),
        ("{{ CustomField5 }}", "five"),
        ("{{ Subscriber:HashedSubscriberID }}", hashlib.md5(b"4711").hexdigest()),
        ("%Subscriber:HashedSubscriberID%", hashlib.md5(b"4711").hexdigest()),
        ("100%Subscriber:FirstName%%", "100sarah%"),
        ("{{{Subscriber:FirstName}}", "{sarah"),
        ("${{ Subscriber:FirstName }}}", "$sarah}"),
    ],
)
def test_a_tag_becomes_its_value(template: str, expected: str) -> None:
    assert text(template) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ Subscriber:Unknown }}",
        "%Subscriber:Unknown%",
        "%Subscriber:firstname%",
        "{{ Subscriber:Empty }}",
        "{{ Subscriber:Nothing }}",
        "{{ Event:name }}",
        "{{ Event:Property:a:b }}",
        "{{ Journey:JourneyID }}",
        "{{ Entry:EntryID }}{{ Action:ActionID }}{{ UserGroup:UserGroupID }}{{ Campaign:Name }}",
        "%Campaign:HashedCampaignID%",
        "{{ Link:Forward }}",
        "{{ Subscriber:__class__ }}",
        "{{ OptInDate }}",
        "%OptInDate%",
    ],
)
def test_a_known_namespace_without_such_a_value_gives_nothing(template: str) -> None:
    assert html(template) == ""


@pytest.mark.parametrize(
    "template",
    [
        "{{7*7}}",
        "{{''.__class__}}",
        "{% raw %}",
        "{# note #}",
        "${{x}}",
        "{{ config.items() }}",
        "{{}}",
        "{{ }}",
        "{{ : }}",
        "{{ Subscriber: }}",
        "{{ Planet:Name }}",
        "{{ #if x }}{{ /if }}",
        "{{ unknownHelper Subscriber:FirstName }}",
        "{{ uppercase trim Subscriber:FirstName }}",
        "{{ Subscriber:FirstName | Friend }}",
        "{{ Subscriber:FirstName | 'Friend' }}",
        "{{ Subscriber:FirstName }",
        "{ Subscriber:FirstName }",
        "{{ Subscriber:{FirstName} }}",
        "{{ Subscriber:FirstName=sarah }}",
        "{{ unless Subscriber:FirstName=x }}",
        "{{ ellipsis-x Subscriber:FirstName }}",
        "{{ dateFormat- Now }}",
        "{{ " + "a" * 3000 + " }}",
        "% Subscriber:FirstName %",
        "%Subscriber: FirstName%",
        "%subscriber:FirstName%",
        "%Subscriber:First\nName%",
        "%emailaddress%",
        "width:100%;height:50%",
        "100% of %d and %s",
        "%Date=%",
        "%Random:Letters:x%",
        "%Random:Letters:1000%",
        "%RemoteContent=ftp://x%",
        "[[only one]]",
        "[[[1, 2], [3, 4]]]",
        "a[0] | b]]",
        "[upper:x]",
        "[if:1=1]x[endif]",
        "<!--[if mso | IE]><td><![endif]-->",
    ],
)
@pytest.mark.parametrize("mode", Mode)
def test_what_is_no_tag_stays_as_it_stands(template: str, mode: Mode) -> None:
    assert compile(template).render(context(), mode=mode) == template


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{{ Subscriber:Empty|"there" }}', "there"),
        ('{{ Subscriber:Empty | "there" }}', "there"),
        ('{{ Subscriber:Empty|"" }}', ""),
        ('{{ Subscriber:Empty|"a | b" }}', "a | b"),
        ('{{ Subscriber:Blank|"there" }}', "there"),
        ('{{ Subscriber:Nothing|"there" }}', "there"),
        ('{{ Subscriber:Unknown|"there" }}', "there"),
        ('{{{ Subscriber:Unknown|"there" }}}', "there"),
        ('{{ Event:Property:product|"your order" }}', "your order"),
        ('{{ nickname|"there" }}', "there"),
        ('{{ Link:Forward|"https://x.example" }}', "https://x.example"),
        ('{{ Subscriber:FirstName|"there" }}', "sarah"),
        ('{{ uppercase Subscriber:FirstName|"there" }}', "SARAH"),
        ('{{ uppercase Subscriber:Empty|"there" }}', "there"),
        ('{{ number_format Subscriber:Empty|"none" }}', "none"),
        ('{{ trim Subscriber:Blank|"none" }}', "none"),
        ('{{ dateFormat-F_j,_Y Subscriber:Empty|"No date provided" }}', "No date provided"),
        ('{{ dateFormat-Y Subscriber:FirstName|"no date" }}', "no date"),
        ("{{ Subscriber:Empty|&quot;there&quot; }}", "there"),
    ],
)
def test_a_fallback_stands_for_an_empty_value(template: str, expected: str) -> None:
    assert text(template) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (0, "0"),
        (-12, "-12"),
        (10**40, "1" + "0" * 40),
        (49.9, "49.9"),
        (50.0, "50"),
        (1e21, "1" + "0" * 21),
        (1e-7, "0.0000001"),
        (float("nan"), ""),
        (Decimal("12.50"), "12.50"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 04:04:05"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
        ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'),
        ([1, None], "[1,null]"),
        (lambda: "made", "made"),
    ],
)
def test_every_kind_of_value_has_a_text(value: Any, expected: str) -> None:
    assert text("{{ Subscriber:X }}", {"X": value}, time_zone="Europe/Berlin") == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ Event:name }}", "purchase"),
        ("{{ Event:Property:productName }}", "Shoes <3>"),
        ("{{ event:property:PRODUCTNAME }}", "Shoes <3>"),
        ("{{ Event:Property:order:total }}", "49.9"),
        ("%Event:Property:order:total%", "49.9"),
        ("{{ Event:Property:items:1:sku }}", "B2"),
        ("{{ Event:Property:items:9:sku }}", ""),
        ("{{ Event:Property:items:x }}", ""),
        ("{{ Event:Property:productName:deeper }}", ""),
        ("{{ Event:Property:$current_url }}", "https://shop.example/"),
        ("{{ Event:Property:order }}", '{"total":49.9}'),
        ("{{ Event:Property:a b }}", "blank"),
        ("{{ uppercase Event:Property:productName }}", "SHOES <3>"),
    ],
)
def test_event_properties_are_found_in_their_tree(template: str, expected: str) -> None:
    properties = {
        "productName": "Shoes <3>",
        "order": {"total": 49.9},
        "items": [{"sku": "A1"}, {"sku": "B2"}],
        "$current_url": "https://shop.example/",
        "a b": "blank",
    }

    answer = text(template, namespaces={"Event": {"name": "purchase", "Property": properties}})

    assert answer == expected


def test_a_given_hash_is_not_made_again() -> None:
    assert text("{{ Subscriber:HashedSubscriberID }}", {"HashedSubscriberID": "given"}) == "given"


def test_bare_names_are_tags_only_for_subscribers_with_such_a_field() -> None:
    template = compile("Hi {{ nickname }}, {{ EmailAddress }}")

    assert template.render(context({"NickName": "Sal"}), mode=Mode.HTML) == "Hi Sal, sarah+news@example.com"
    assert template.render(context(), mode=Mode.HTML) == "Hi {{ nickname }}, sarah+news@example.com"


@pytest.mark.parametrize(
    ("link", "expected"),
    [("https://s.example/Ab", "Go https://s.example/Ab"), ("", "Go "), (None, "Go {{link}}")],
)
def test_link_is_the_short_link_where_there_is_one(link: str | None, expected: str) -> None:
    assert text("Go {{link}}", link=link) == expected


def test_links_are_made_only_when_used_and_only_once() -> None:
    made: list[str] = []

    def make() -> str:
        made.append("x")
        return "https://t.example/u"

    given = context(namespaces={"Link": {"Unsubscribe": make}})

    compile("no link").render(given, mode=Mode.HTML)
    compile("{{ if Subscriber:Age>90 }}{{ Link:Unsubscribe }}{{ endif }}").render(given, mode=Mode.HTML)
    assert made == []

    both = [compile("%Link:Unsubscribe% {{ link:unsubscribe }}").render(given, mode=mode) for mode in Mode]
    assert both[0] == "https://t.example/u https://t.example/u"
    assert made == ["x"]


def test_mfrom_domain_is_the_envelope_senders() -> None:
    assert text("x=%MFROMDomain%", mfrom_domain="bounce.example.com") == "x=bounce.example.com"


def test_remote_contents_are_asked_for_and_put_in_as_they_are() -> None:
    source = "a%RemoteContent=https://x.example/r?e=%Subscriber:EmailAddress%&amp;q=%20b%c%RemoteContentBeforeSend=http://y.example%"
    template = compile(source)

    urls = (*template.remote_urls(context()), *template.included_urls(context()))

    assert template.remote_contents == (
        "https://x.example/r?e=%Subscriber:EmailAddress%&amp;q=%20b",
        "http://y.example",
    )
    assert urls == ("https://x.example/r?e=sarah%2Bnews%40example.com&q=%20b", "http://y.example")
    given = context(remote={urls[0]: "<b>{{ Subscriber:FirstName }}</b>"})
    assert template.render(given, mode=Mode.HTML) == "a<b>{{ Subscriber:FirstName }}</b>c"


def test_tags_of_included_contents_are_read_and_one_that_names_itself_ends() -> None:
    template = compile("a%RemoteContentBeforeSend=http://y.example/?e=%Subscriber:EmailAddress%%c")
    [url] = template.included_urls(context())
    included = compile(f"<b>{{{{ Subscriber:FirstName }}}}</b>[%RemoteContentBeforeSend={url}%]")
    given = context({"FirstName": "A&B"}, included={url: included})

    assert url == "http://y.example/?e=sarah%2Bnews%40example.com"
    assert template.render(given, mode=Mode.HTML) == "a<b>A&amp;B</b>[]c"
    assert template.render(given, mode=Mode.TEXT) == "a<b>A&B</b>[]c"
    assert template.render(context(), mode=Mode.HTML) == "ac"


def test_a_template_tells_what_it_uses() -> None:
    template = compile(
        "{{ Subscriber:FirstName }}%List:Name%{{ if user:city=X }}{{ Event:Property:a:b }}{{ endif }}"
        "[IF:%Journey:JourneyID%=1]{{ dateFormat-Y Now }}[ENDIF]{{link}}%MFROMDomain%[[a|{{ city }}]]"
    )

    assert template.names == {
        ("Subscriber", "FirstName"),
        ("List", "Name"),
        ("User", "city"),
        ("Event", "Property:a:b"),
        ("Journey", "JourneyID"),
        ("", "Now"),
        ("", "link"),
        ("", "MFROMDomain"),
        ("Subscriber", "city"),
    }


def test_unreadable_tags_are_told_for_a_context() -> None:
    template = compile("{{7*7}} {{ Planet:Name }} {{ FirstName }} {{ city }} {{ nickname }} {{link}} {{7*7}}")

    assert template.unreadable_tags() == ("{{7*7}}", "{{ Planet:Name }}")
    assert template.unreadable_tags(context()) == ("{{7*7}}", "{{ Planet:Name }}", "{{ nickname }}", "{{link}}")
    assert template.unreadable_tags(context({"Nickname": ""}, link="")) == ("{{7*7}}", "{{ Planet:Name }}")


@pytest.mark.parametrize(
    ("source", "is_static"), [("plain % { [ text", True), ("{{7*7}}", True), ("%EmailAddress%", False)]
)
def test_a_template_knows_whether_it_is_the_same_for_all(source: str, is_static: bool) -> None:
    assert compile(source).is_static is is_static


def test_a_context_needs_no_more_than_the_time() -> None:
    template = compile("a{{ Subscriber:FirstName }}b{{link}}%MFROMDomain%%RemoteContent=https://x.example%")

    assert template.render(Context(now=NOW), mode=Mode.TEXT) == "ab{{link}}"
