"""Keeping what was handed in until it is on the list: pieces of whole lines, put in by COPY while it is read."""

from collections.abc import Iterable, Iterator

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.imports.formats import LONGEST, MOST_LINES, Format, records
from journeys_api.imports.mapping import resolve
from journeys_api.jobs import service as jobs
from journeys_api.models import Job
from journeys_api.uploads import BLOCK

PIECE = 512 * 1024
"""Bytes of a piece, more or less: what one turn loads."""
_BOM = b"\xef\xbb\xbf"


def pieces_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The text in pieces that end with a line, except perhaps the last.

    Of a line that is longer than a piece only so much is kept as tells that it is too long.
    """
    rest = b""
    is_first, skips = True, False
    for block in _in_blocks(blocks):
        if skips:
            cut = block.find(b"\n")
            if cut < 0:
                continue
            block, skips = block[cut:], False
        rest += block
        if len(rest) < PIECE:
            continue
        cut = rest.rfind(b"\n") + 1
        if not cut:
            rest, skips = rest[: LONGEST + 1], True
            continue
        yield rest[:cut].removeprefix(_BOM) if is_first else rest[:cut]
        rest, is_first = rest[cut:], False
    if rest:
        yield rest.removeprefix(_BOM) if is_first else rest


def _in_blocks(given: Iterable[bytes]) -> Iterator[bytes]:
    """No block larger than some: of a text that was never long, all comes at once."""
    for large in given:
        for at in range(0, len(large), BLOCK):
            yield large[at : at + BLOCK]


class _Counted:
    """Pieces that pass by: their lines are counted, and the beginning of the first is looked at."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.first = next(pieces, b"")
        self._pieces = pieces
        self.lines = 0

    def __iter__(self) -> Iterator[bytes]:
        piece: bytes | None = self.first or None
        while piece is not None:
            self.lines += piece.count(b"\n") + (not piece.endswith(b"\n"))
            yield piece
            piece = next(self._pieces, None)


async def stage(session: AsyncSession, job: Job, blocks: Iterable[bytes]) -> None:
    """Keep a file for its job, and find the places of its columns.

    Raises:
        FieldMappingInvalid: a heading that the file does not have.
    """
    form = Format(**job.parameters["format"])
    pieces = _Counted(pieces_of(blocks))
    lines = pieces.first[: LONGEST * 2].split(b"\n", MOST_LINES)
    first = next(records(lines, form, of_these=1))
    columns, is_heading = resolve(job.parameters["targets"], first.cells)
    begins_at, line = 0, 1
    if is_heading:
        begins_at = sum(len(each) + 1 for each in lines[: first.lines])
        line += first.lines
    job.total = await jobs.put_pieces(session, job, pieces)
    job.cursor = {"place": 0, "offset": begins_at, "line": line, "columns": columns.kept()}
    job.results = {"lines": pieces.lines - line + 1, "imported": 0, "duplicates": 0, "failed": 0, "failures": []}
