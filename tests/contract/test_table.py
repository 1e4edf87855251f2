"""What every declaration owes the documents and the tests that are derived from it."""

from datetime import UTC, datetime

import pytest

from journeys_api.commands.registry import COMMANDS, Command, Param, Rejection
from journeys_api.errors import NotReadable
from journeys_api.http import describing
from journeys_api.strict_json import fold

EVERY = pytest.mark.parametrize("made", COMMANDS.values(), ids=lambda made: made.name)
STATUSES = {400, 403, 404, 409, 410, 422, 500, 502}
NO_RECORDS = {"SSOID", "SenderIDs", "RelTemplateID", "CampaignID", "AutoResponderID", "ID", "UUID"}
"""Names that end like an id and name nothing that is kept here."""


@EVERY
def test_every_command_is_described(made: Command) -> None:
    assert made.title, "a title"
    assert describing.documentation(made), "a docstring"
    assert made.source, "where it comes from"


@EVERY
def test_every_command_that_takes_something_shows_an_input_that_reads(made: Command) -> None:
    assert made.example or not made.params, "an example"
    known = {fold(wire) for param in made.params for wire in (param.wire, *param.also)}
    families = tuple(fold(param.family) for param in made.params if param.family)

    unknown = [name for name in made.example if fold(name) not in known and not fold(name).startswith(families or "\0")]
    try:
        made.read({fold(name): value for name, value in made.example.items()}, now=datetime(2026, 1, 1, tzinfo=UTC))
        refused = None
    except (Rejection, NotReadable) as error:
        refused = str(error)

    assert (unknown, refused) == ([], None)


def _names_a_record(param: Param) -> bool:
    return param.wire.endswith(("ID", "IDs")) and param.wire not in NO_RECORDS


@EVERY
def test_every_id_says_what_it_names(made: Command) -> None:
    silent = [param.wire for param in made.params if _names_a_record(param) and param.refers_to is None]

    assert silent == []


@EVERY
def test_every_code_has_one_message_of_its_kind_and_a_status_that_fits(made: Command) -> None:
    entries = [(refusal.code, refusal.message, refusal.status) for refusal in made.refusals]

    assert len(entries) == len(set(entries))
    assert all(message.strip() == message and message for _, message, _ in entries)
    assert {status for _, _, status in entries} <= STATUSES
    assert all(0 < code < 99_000 for code, _, _ in entries)
