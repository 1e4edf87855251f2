"""Secrets that the server must be able to say again, such as gateway credentials: sealed before they are stored.

AES-256-GCM under a key made from the server's secret key. What was stored before there was sealing opens as it is, and
is sealed by the next worker that starts (`cleartext.py`). With another secret key nothing opens: keep that too.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX: Final = "sealed:1:"
"""What every sealed text begins with; the number is that of the recipe."""
_NONCE_BYTES: Final = 12


class SecretUnreadable(Exception):
    """The text was sealed with another secret key, or is damaged."""


class Vault:
    """Seals and opens under one server's secret key.

    Args:
        key: the server's secret key; secrets are sealed with a key of their own made from it.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hmac.new(key, b"journeys secrets at rest", hashlib.sha256).digest())

    def seal(self, text: str) -> str:
        """The text as it may be stored; never twice the same."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), PREFIX.encode())
        return PREFIX + base64.urlsafe_b64encode(nonce + sealed).decode("ascii")

    def open(self, stored: str) -> str:
        """The text that was sealed; one that never was, as it is.

        Raises:
            SecretUnreadable: it cannot be opened with this key.
        """
        if not is_sealed(stored):
            return stored
        try:
            raw = base64.urlsafe_b64decode(stored.removeprefix(PREFIX))
            opened = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], PREFIX.encode())
        except (InvalidTag, ValueError):
            raise SecretUnreadable from None
        return opened.decode("utf-8", "surrogatepass")

    def seal_values(self, given: Mapping[str, Any]) -> dict[str, str]:
        """The map with every value sealed and the names left to be read."""
        return {name: self.seal(orjson.dumps(value).decode()) for name, value in given.items()}

    def open_values(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """What `seal_values` was given.

        Raises:
            SecretUnreadable: as `open`.
        """
        return {name: orjson.loads(self.open(value)) if is_sealed(value) else value for name, value in stored.items()}


def is_sealed(stored: object) -> bool:
    """Whether what is stored is a sealed text."""
    return isinstance(stored, str) and stored.startswith(PREFIX)
