"""Files that tenants want fetched: through the same way out as every call, into a file and never into memory."""

from datetime import timedelta

from journeys_api.delivery.egress import Egress, EgressFailed, EgressRefused
from journeys_api.imports.errors import SourceUnreachable
from journeys_api.uploads import Upload

LARGEST = 256 * 1024 * 1024
PATIENCE = timedelta(minutes=10)


class Downloads:
    """Fetches files.

    Args:
        allow_private: whether every address may be called; for development.
        largest: bytes of a file, at most.
    """

    def __init__(self, *, allow_private: bool, largest: int = LARGEST) -> None:
        self._largest = largest
        # one byte more than is taken tells a file that is too long from one that just fits
        self._egress = Egress(allow_private=allow_private, total_deadline=PATIENCE, max_response_bytes=largest + 1)

    async def fetch(self, url: str, upload: Upload) -> None:
        """Fetch what is at an address.

        Raises:
            SourceUnreachable: the whole file did not come, and why.
        """
        try:
            response = await self._egress.request("GET", url, headers={}, body=b"", into=upload.write)
        except (EgressRefused, EgressFailed) as error:
            raise SourceUnreachable(f"the file could not be fetched: {error.reason}") from None
        if not 200 <= response.status < 300:
            raise SourceUnreachable(f"the file could not be fetched: status {response.status}")
        if upload.size > self._largest:
            raise SourceUnreachable(f"the file is longer than {self._largest} bytes")
        if not response.is_complete:
            raise SourceUnreachable("the file could not be fetched: the transfer broke off")
