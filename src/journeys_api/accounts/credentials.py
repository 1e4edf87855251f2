"""Keys, sessions and passwords: how they are made, and how they are kept without keeping them."""

import hmac
import secrets
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

MAX_PASSWORD_BYTES = 1024
"""Longer ones are refused before they are hashed: hashing costs time in their length."""

_hasher = PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """Verified when the account is unknown, so that the answer takes as long as for a wrong password.

    Made for the first who needs it, who waits twice as long: a start of the program shall not.
    """
    return _hasher.hash(secrets.token_urlsafe(32))


def keyed_hash(pepper: bytes, secret: str) -> bytes:
    """What is stored and looked up in place of a key or session id: HMAC-SHA-256 under the server's secret key.

    A lookup by the hash tells nothing about the secret by its time: a changed secret changes the whole hash.
    """
    return hmac.digest(pepper, secret.encode("utf-8"), "sha256")


def new_api_key() -> str:
    """128 random bits as eight groups of four hex digits."""
    digits = secrets.token_hex(16).upper()
    return "-".join(digits[start : start + 4] for start in range(0, 32, 4))


def masked(key: str) -> str:
    """Enough of a key to recognize it by: its first and last group."""
    return f"{key[:4]}-****-****-****-****-****-****-{key[-4:]}"


def new_session_id() -> str:
    """256 random bits in the letters `A–Za–z0–9-_`."""
    return secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    """argon2id. Costs some 50 ms of a core: call it in a thread."""
    return _hasher.hash(password)


def password_matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is the hashed one; None stands for an unknown account and takes as long. In a thread."""
    if len(password.encode("utf-8")) > MAX_PASSWORD_BYTES:
        return False
    try:
        _hasher.verify(password_hash or _nobodys_hash(), password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return password_hash is not None


def same_secret(one: str, other: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(one.encode("utf-8"), other.encode("utf-8"))


def may_use_from(bound_ip_address: str | None, client_address: str) -> bool:
    """Whether a key bound to an address (None: to none) may be used by a client at another, or the same, address."""
    return bound_ip_address is None or _plain_address(bound_ip_address) == _plain_address(client_address)


def _plain_address(address: str) -> IPv4Address | IPv6Address | str:
    # a socket that listens for both families reports an IPv4 client as ::ffff:192.0.2.1
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return getattr(parsed, "ipv4_mapped", None) or parsed
