"""`docs/compatibility.md` and the table of commands say the same of the vendor's commands about journeys."""

import re
from pathlib import Path

from journeys_api.commands.registry import COMMANDS
from journeys_api.http import vendor

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = re.compile(r"\| (?:\[`(?P<here>[^`]+)`\]\(api\.md#(?P<anchor>[^)]+)\)|`(?P<gone>[^`]+)`) \| [^|]+ \| "
                 r"(?P<state>have|differ|not) \| (?P<said>[^|]*) ?\|")  # fmt: skip


def test_the_page_has_the_table_as_it_is_now() -> None:
    page = (DOCS / "compatibility.md").read_text()

    assert page == vendor.with_table(page, COMMANDS), "python -m journeys_api.http.markdown > docs/api.md"
    assert page.count(vendor.BEGIN) == page.count(vendor.END) == 1


def test_every_row_says_what_is_true_and_why() -> None:
    page = (DOCS / "compatibility.md").read_text()
    table = page[page.index(vendor.BEGIN) : page.index(vendor.END)]
    rows = [found for line in table.splitlines() if (found := ROW.fullmatch(line.strip()))]

    assert len(rows) == len(vendor.VENDOR)
    for row in rows:
        assert bool(row["here"]) == (row["state"] != "not")
        assert (row["here"] or row["gone"] in COMMANDS) == (row["here"] or False), row["gone"]
        assert bool(row["said"].strip()) == (row["state"] != "have"), row[0]


def test_every_link_leads_to_a_command_of_the_reference() -> None:
    page, reference = (DOCS / "compatibility.md").read_text(), (DOCS / "api.md").read_text()
    anchors = set(re.findall(r"\]\(#([^)]+)\)", reference))
    linked = set(re.findall(r"\(api\.md#([^)]+)\)", page))

    assert linked
    assert linked <= anchors


def test_every_command_of_ours_about_journeys_is_the_vendors_or_says_that_it_is_ours() -> None:
    known = {each.name for each in vendor.VENDOR}
    about_journeys = {made.name for made in COMMANDS.values() if "journey" in made.name}

    assert {name for name in about_journeys - known if not COMMANDS[name].source.startswith("ours")} == set()


def test_what_the_contract_has_is_here() -> None:
    assert [each.name for each in vendor.VENDOR if each.since == "contract" and each.name not in COMMANDS] == []
    assert sum(each.since == "contract" for each in vendor.VENDOR) == 13
