"""What every command of the CLI opens first: a database to work on, and the secrets that belong to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from journeys_api.db import WrongDatabaseUrl, checked_url
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.settings import Settings
from journeys_api.starting.secrets_file import kept_secret

KNOWN_SECRETS = ("changeme", "change-me", "change_me", "your-admin-api-key", "your-secret-key")
"""What examples say; a key that contains one of these was never chosen."""


class CannotStart(Exception):
    """Something that must be there before the start is missing; the text says what."""


@contextmanager
def opened(settings: Settings, *, owning: bool) -> Iterator[Settings]:
    """The settings with `database_url`, `secret_key` and `admin_api_key` filled in, for as long as the context lasts.

    Without a `database_url` the embedded server runs meanwhile, and secrets that are not set are the ones kept in the
    data directory, made on the first start.

    Args:
        owning: whether this process is the one that serves from the data directory; the others work beside it.

    Raises:
        CannotStart: a secret is missing beside a `database_url`, or is one that every reader of the examples knows.
        EmbeddedPostgresError: the embedded server cannot be used.
    """
    for name, secret in (("SECRET_KEY", settings.secret_key), ("ADMIN_API_KEY", settings.admin_api_key)):
        if secret is None and settings.database_url is not None:
            raise CannotStart(
                f"JOURNEYS_{name} is not set: with JOURNEYS_DATABASE_URL, give it 16 random characters or more"
            )
        if secret is not None and any(known in secret.get_secret_value().lower() for known in KNOWN_SECRETS):
            raise CannotStart(f"JOURNEYS_{name} is the one from an example: give it 16 random characters or more")
    if settings.database_url is not None:
        try:
            checked_url(settings.database_url)
        except WrongDatabaseUrl as error:
            raise CannotStart(f"JOURNEYS_DATABASE_URL cannot be used: {error}") from None
        yield settings
        return
    postgres = EmbeddedPostgres(settings.data_dir)
    with postgres.own() if owning else postgres.attach() as url:
        yield settings.model_copy(
            update={
                "data_dir": postgres.data_dir,
                "database_url": url,
                "secret_key": settings.secret_key or SecretStr(kept_secret(postgres.data_dir, "secret_key")),
                "admin_api_key": settings.admin_api_key or SecretStr(kept_secret(postgres.data_dir, "admin_api_key")),
            }
        )


def required_url(settings: Settings) -> str:
    """The database's URL of settings that `opened` gave out."""
    if settings.database_url is None:
        raise CannotStart("there is no database to work on")
    return settings.database_url


def pepper(settings: Settings) -> bytes:
    """The key of the keyed hashes of API keys, of settings that `opened` gave out."""
    if settings.secret_key is None:
        raise CannotStart("there is no secret key")
    return settings.secret_key.get_secret_value().encode()
