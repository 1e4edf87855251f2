"""The vendor's commands about journeys, and how this server stands to each: the table of `docs/compatibility.md`.

Whether a command is here is read off the table of commands; what differs, and why one is not here, is written down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from journeys_api.commands.registry import Command
from journeys_api.strict_json import fold

PAGE = Path("docs/compatibility.md")
BEGIN = "<!-- Written by `python -m journeys_api.http.markdown`; change `http/vendor.py`, not this table. -->"
END = "<!-- End of the table. -->"

NOT_YET = "not built yet"
_QUEUE = "beyond a bound numbers are estimates, and `IsEstimate` says so"


@dataclass(frozen=True)
class VendorCommand:
    """One command of the vendor, or a family of them."""

    name: str
    since: str
    """The oldest release whose pages have it; `contract`: the page that is the contract; a dash: not followed up."""
    differs: str = ""
    """What its clients have to know; empty: the documented answers, perhaps with keys added."""
    absent: str = NOT_YET
    """Why it is not here, where it is not."""


VENDOR = (
    VendorCommand("journey.create", "contract", differs="criteria that are no list of rules are refused, not dropped"),
    VendorCommand("journey.clone", "contract"),
    VendorCommand("journey.copytouser", "contract",
                  differs="also empties and names secrets, and rules that name records of the source"),
    VendorCommand("journey.get", "contract"),
    VendorCommand("journey.list", "contract"),
    VendorCommand("journey.update", "contract", differs="does not remap fields of Decisions (`RemapDecisionFields`)"),
    VendorCommand("journey.delete", "contract"),
    VendorCommand("journeys.delete", "contract"),
    VendorCommand("journey.enable", "contract"),
    VendorCommand("journey.disable", "contract"),
    VendorCommand("journey.actions.update", "contract",
                  differs="codes 7–18 of newer releases are warnings, unless `Strict` is sent"),
    VendorCommand("journey.actions.published", "contract"),
    VendorCommand("journey.action.subscribers", "contract",
                  differs="`RecordsPerRequest` 0 is 25 and never everything; at most 1,000"),
    VendorCommand("journey.sendemailactions", "5.9.1"),
    VendorCommand("journey.stats.byisp", "5.9.1"),
    VendorCommand("journey.stats.byaction", "5.9.1"),
    VendorCommand("account.journey.benchmark", "5.9.1"),
    VendorCommand("journeys.enable", "5.9.1"),
    VendorCommand("journeys.disable", "5.9.1"),
    VendorCommand("journeys.clone", "5.9.1",
                  differs="one call clones 10,000 journeys and actions together; what is beyond is named as failed"),
    VendorCommand("journey.export.submit", "5.9.1"),
    VendorCommand("journey.export.get", "5.9.1"),
    VendorCommand("subscriber.journey.trigger", "5.5"),
    VendorCommand("subscriber.journey.remove", "5.5"),
    VendorCommand("subscriber.journey.exit", "5.6"),
    VendorCommand("subscriber.journey.list", "5.5"),
    VendorCommand("subscribers.journey.bulk", "6.0.2"),
    VendorCommand("journey.bulk_trigger", "5.7.2",
                  absent="only a line of the vendor's change log: no answer, code or permission was ever published; "
                  "`subscribers.journey.bulk` does its work"),
    VendorCommand("event.track", "5.5", differs="an event of nobody known starts nothing; more is said of it above"),
    VendorCommand("website_events.properties", "5.5"),
    VendorCommand("admin.journeys.stuck", "5.8.3", differs="never finds any: nothing can be stuck here"),
    VendorCommand("admin.journeys.unstuck", "5.8.3", differs="always 2: nothing can be stuck here"),
    VendorCommand("admin.journeys.pending", "5.8.3", differs=_QUEUE),
    VendorCommand("admin.journeys.overview", "5.8.3", differs=_QUEUE),
    VendorCommand("admin.journeys.queue", "5.8.3", differs=_QUEUE),
    VendorCommand("admin.journey.queue.position", "5.8.3", differs=_QUEUE),
    VendorCommand("admin.journey.action.audit", "5.8.3", differs=_QUEUE),
    VendorCommand("campaign.*, campaigns.*", "–", absent="another product: mails to whole lists, outside of journeys"),
    VendorCommand("autoresponder.*, autoresponders.*", "–",
                  absent="another product; a journey with waits does what they do"),
    VendorCommand("smssuppression.*", "–",
                  absent="numbers are not suppressed on their own: who must not get messages is unsubscribed"),
    VendorCommand("media.*", "–", absent="images and files of mails live on a web server of the sender's"),
    VendorCommand("client.*, clients.*", "–", absent="customers of an account are not kept apart from its users"),
)  # fmt: skip


def state(vendors: VendorCommand, commands: Mapping[str, Command]) -> tuple[str, str]:
    """`have`, `differ` or `not`, and what there is to say.

    Args:
        commands: the table of commands, by folded name.
    """
    if fold(vendors.name) not in commands:
        return "not", vendors.absent
    return ("differ" if vendors.differs else "have"), vendors.differs


def vendor_table(commands: Mapping[str, Command]) -> str:
    """The table, with the lines that it stands between."""
    lines = ["| command | since | here | |", "| --- | --- | --- | --- |"]
    for each in VENDOR:
        here, said = state(each, commands)
        name = f"`{each.name}`" if here == "not" else f"[`{each.name}`](api.md#{each.name.replace('.', '')})"
        lines.append(f"| {name} | {each.since} | {here} | {said} |")
    return "\n".join((BEGIN, "", *lines, "", END))


def with_table(page: str, commands: Mapping[str, Command]) -> str:
    """The page with its table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{vendor_table(commands)}{after}"
