"""From the lines of a piece to people and troubles: everything of a turn that needs no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from journeys_api.fields import values as field_values
from journeys_api.fields.errors import InvalidFieldValue
from journeys_api.imports.formats import LONGEST, Format, records
from journeys_api.imports.mapping import Columns
from journeys_api.models import CustomField
from journeys_api.subscribers.arrivals import Arrival
from journeys_api.suppressions.addresses import is_address
from journeys_api.tags.names import is_tag_name

FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")
"""How exports begin a cell that a spreadsheet would take for a formula; the apostrophe is not part of the value."""


@dataclass
class Batch:
    """What a piece says."""

    arrivals: list[Arrival] = field(default_factory=list)
    """Each address once; of an address that comes again, later values count."""
    repeated: int = 0
    """Lines whose address came before."""
    failures: list[tuple[int, str]] = field(default_factory=list)
    """Line and reason."""
    failed_addresses: list[str] = field(default_factory=list)
    """Addresses of lines that failed for another reason than the address."""
    next_line: int = 1
    """The number of the first line that is not read."""
    overlap: int = 0
    """How many bytes behind the piece were read with its last record."""
    size: int = 0
    """Bytes of the piece."""


def read_batch(
    piece: bytes,
    behind: bytes,
    form: Format,
    columns: Columns,
    fields: Mapping[int, CustomField],
    *,
    first_line: int,
    updates: bool,
) -> Batch:
    """Read a piece.

    Args:
        piece: whole lines.
        behind: what follows, for a record that ends there: `LONGEST` bytes and one more, or all there is.
        updates: whether later values of an address that comes again count; otherwise the first ones do.
    """
    lines = piece.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    count = len(lines)
    following = behind.split(b"\n")
    if len(behind) > LONGEST or following[-1] == b"":
        # cut off in the middle, or nothing behind the last line feed
        following.pop()
    batch = Batch()
    by_address: dict[str, Arrival] = {}
    line = first_line
    for record in records([*lines, *following], form, of_these=count):
        if record.trouble:
            batch.failures.append((line, record.trouble))
        elif record.cells != [""]:
            _take(batch, by_address, record.cells, line, columns, fields, updates=updates)
        line += record.lines
    batch.next_line = line
    batch.overlap = sum(len(each) + 1 for each in following[: line - first_line - count])
    batch.arrivals = list(by_address.values())
    return batch


def _take(
    batch: Batch,
    by_address: dict[str, Arrival],
    cells: list[str],
    line: int,
    columns: Columns,
    fields: Mapping[int, CustomField],
    *,
    updates: bool,
) -> None:
    address = cells[columns.address].strip() if columns.address < len(cells) else ""
    if not is_address(address):
        batch.failures.append((line, "not an email address" if address else "no email address"))
        return
    arrival = Arrival(line, address)
    for place, field_id in columns.fields.items():
        if place >= len(cells):
            continue
        try:
            value = field_values.normalised(fields[field_id], _unarmed(cells[place]))
        except InvalidFieldValue:
            batch.failures.append((line, f"no value of {fields[field_id].field_name}"))
            batch.failed_addresses.append(address)
            return
        if value:
            (arrival.listed if fields[field_id].list_id else arrival.shared)[str(field_id)] = value
    arrival.tags = _names(cells, columns.tag_add)
    arrival.all_tags = _names(cells, columns.tag_sync) if 0 <= columns.tag_sync < len(cells) else None
    if not all(is_tag_name(name) for name in (*arrival.tags, *(arrival.all_tags or ()))):
        batch.failures.append((line, "no name of a tag"))
        batch.failed_addresses.append(address)
        return
    before = by_address.setdefault(address.lower(), arrival)
    if before is not arrival:
        batch.repeated += 1
        if updates:
            before.take_over(arrival)


def _unarmed(cell: str) -> str:
    return cell[1:] if cell.startswith(FORMULA) else cell


def _names(cells: list[str], place: int) -> tuple[str, ...]:
    if not 0 <= place < len(cells):
        return ()
    return tuple(name for name in (part.strip() for part in cells[place].split(",")) if name)
