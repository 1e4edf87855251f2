"""Which column of a file is what: from the caller's words to places in a record."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from journeys_api.imports.errors import FieldMappingInvalid
from journeys_api.models import CustomField

ADDRESS = "emailaddress"
TAG_ADD = "tagadd"
TAG_SYNC = "tagsync"
_FIELD = re.compile(r"(?:customfield)?([0-9]{1,18})")
_COLUMN = re.compile(r"field([1-9][0-9]{0,3})")
_HEADING = re.compile(r"e-?mail(?:[ _-]?address)?")


@dataclass(frozen=True)
class Columns:
    """Places in a record, counted from 0."""

    address: int
    fields: dict[int, int] = field(default_factory=dict)
    """Place → custom field."""
    tag_add: int = -1
    """Where names of tags to add stand, with commas between them; -1: nowhere."""
    tag_sync: int = -1
    """Where the names of all the tags to have stand."""

    def of_fields(self, known: Iterable[int]) -> "Columns":
        """Without the fields that were deleted since."""
        ids = set(known)
        fields = {place: field_id for place, field_id in self.fields.items() if field_id in ids}
        return Columns(self.address, fields, self.tag_add, self.tag_sync)

    def kept(self) -> dict[str, Any]:
        """As a job keeps it."""
        return asdict(self)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Columns":
        """From what a job keeps."""
        fields = {int(place): field_id for place, field_id in kept["fields"].items()}
        return cls(kept["address"], fields, kept["tag_add"], kept["tag_sync"])


def targets(mapped: Mapping[str, str], fields: Sequence[CustomField]) -> dict[str, str]:
    """What each column is: by the column's name as folded text, one of the constants or the id of a field.

    Args:
        mapped: the caller's words: `FIELDn` or a column's heading → `EmailAddress`, the id, `CustomField<id>` or alias
            of a field of the list or of the account, `TagAdd` or `TagSync`.

    Raises:
        FieldMappingInvalid: a target that is none of these, one that two columns have, or a column that has two.
    """
    by_id = {str(each.field_id) for each in fields}
    by_alias = {each.merge_tag_alias.lower(): str(each.field_id) for each in fields if each.merge_tag_alias}
    found: dict[str, str] = {}
    for column, wanted in mapped.items():
        word = wanted.strip().lower()
        number = _FIELD.fullmatch(word)
        if word in (ADDRESS, TAG_ADD, TAG_SYNC):
            target = word
        elif number is not None and number[1].lstrip("0") in by_id:
            target = number[1].lstrip("0")
        elif word in by_alias:
            target = by_alias[word]
        else:
            raise FieldMappingInvalid(wanted[:80])
        if target in found.values():
            raise FieldMappingInvalid(f"{wanted[:80]} twice")
        name = column.strip().lower()
        if name in found:
            raise FieldMappingInvalid(f"{column[:80]} twice")
        found[name] = target
    return found


def resolve(found: Mapping[str, str], first: Sequence[str]) -> tuple[Columns, bool]:
    """The places of the columns, and whether the first record is a heading, which is nobody.

    Args:
        found: as `targets` answers.
        first: the cells of the file's first record.

    Raises:
        FieldMappingInvalid: a heading that the file does not have.
    """
    headings = [cell.strip().lower() for cell in first]
    places: dict[str, int] = {}
    is_heading = False
    for column, target in found.items():
        number = _COLUMN.fullmatch(column)
        if number is not None:
            places[target] = int(number[1]) - 1
        elif column in headings:
            places[target] = headings.index(column)
            is_heading = True
        else:
            raise FieldMappingInvalid(f"no column {column[:80]}")
    address = places.pop(ADDRESS)
    if address < len(headings) and _HEADING.fullmatch(headings[address]):
        is_heading = True
    tag_add, tag_sync = places.pop(TAG_ADD, -1), places.pop(TAG_SYNC, -1)
    return Columns(address, {place: int(target) for target, place in places.items()}, tag_add, tag_sync), is_heading


def guessed(first: Sequence[str], fields: Sequence[CustomField]) -> dict[str, str]:
    """What the columns of a file are by its first record, for somebody who did not say: headings that read `email` or
    the like, and those that are an alias or a name of a field; without a heading, the first column that is an address.
    """
    headings = [cell.strip().lower() for cell in first]
    address = next((place for place, heading in enumerate(headings) if _HEADING.fullmatch(heading)), None)
    if address is None:
        place = next((place for place, cell in enumerate(first) if "@" in cell), 0)
        return {f"FIELD{place + 1}": "EmailAddress"}
    by_word = {each.field_name.lower(): each for each in fields}
    by_word |= {each.merge_tag_alias.lower(): each for each in fields if each.merge_tag_alias}
    mapped = {f"FIELD{address + 1}": "EmailAddress"}
    for place, heading in enumerate(headings):
        if place != address and heading in by_word and str(by_word[heading].field_id) not in mapped.values():
            mapped[f"FIELD{place + 1}"] = str(by_word[heading].field_id)
    return mapped
