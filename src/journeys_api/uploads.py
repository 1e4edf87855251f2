"""Texts that are too long to be held in memory: they lie in a file without a name until their call has ended."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

BLOCK = 256 * 1024


class Upload:
    """A text of any length, as UTF-8."""

    def __init__(self) -> None:
        # without a name, so that nothing is left of it however the process ends
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (`close` ends it)
        self.size = 0

    def write(self, block: bytes) -> None:
        """Add to its end."""
        self.size += len(block)
        self._file.write(block)

    def blocks(self) -> Iterator[bytes]:
        """The text from its beginning, in blocks."""
        self._file.seek(0)
        while block := self._file.read(BLOCK):
            yield block

    def ends(self, length: int) -> tuple[bytes, bytes]:
        """Its first and its last bytes, as many of each; the same ones where it is short."""
        self._file.seek(0)
        first = self._file.read(length)
        self._file.seek(max(0, self.size - length))
        return first, self._file.read(length)

    def close(self) -> None:
        """Give the space back."""
        # where no more could be written, closing tries it once more
        with suppress(OSError):
            self._file.close()
