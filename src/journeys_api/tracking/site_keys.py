"""The keys of a website's tracker: a public one that pages show, and a secret one that the website's server signs with.

Neither is kept anywhere: both follow from the server's secret key, the account and the list.
"""

import hashlib
import hmac

from journeys_api.links.tokens import Kind, read, sign


def site_key(key: bytes, *, owner_id: int, list_id: int) -> str:
    """What a page says which list its visitors belong to; it allows nothing but adding events."""
    return sign(key, Kind.SITE, owner_id, list_id)


def read_site_key(key: bytes, token: str) -> tuple[int, int] | None:
    """Account and list of a site key; None when it is not one of ours."""
    numbers = read(key, Kind.SITE, token)
    return None if numbers is None or len(numbers) != 2 else (numbers[0], numbers[1])


def identity_key(key: bytes, *, owner_id: int, list_id: int) -> str:
    """The secret that a website's server signs visitors' addresses with, in hex digits."""
    about = f"journeys identity {owner_id} {list_id}"
    return hmac.new(key, about.encode(), hashlib.sha256).hexdigest()


def is_vouched(key: bytes, *, owner_id: int, list_id: int, address: str, signature: str) -> bool:
    """Whether the website's server has signed an address: HMAC-SHA256 of it in lower case, in hex digits."""
    secret = identity_key(key, owner_id=owner_id, list_id=list_id).encode()
    expected = hmac.new(secret, address.strip().lower().encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.strip().lower().encode())
