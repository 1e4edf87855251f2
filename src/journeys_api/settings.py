"""Every setting of the product: one frozen object, built in `app.py` and `cli/` and passed down."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _seconds(value: object) -> object:
    """A plain number in the environment is seconds; ISO 8601 durations and `HH:MM:SS` are read as what they are."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Duration = Annotated[timedelta, BeforeValidator(_seconds), Field(ge=timedelta(0))]
"""Seconds, or an ISO 8601 duration such as `P30D`; never negative."""


class Settings(BaseSettings):
    """Read from the environment (`JOURNEYS_…`) and from `.env`; a value that does not fit stops the start."""

    model_config = SettingsConfigDict(
        env_prefix="JOURNEYS_", env_file=".env", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    database_url: str | None = None
    """`postgresql://user:password@host:port/name`, PostgreSQL 15 or later. Unset: embedded, under `data_dir`."""

    data_dir: Path = Path(".data")
    """Where the embedded PostgreSQL, the generated secrets and the Maildir live."""

    database_pool_size: int = Field(default=8, ge=1, le=100)
    """Connections that one process keeps; 4 to 8 is where throughput stops growing. The calls of one
    account use half of them at most."""

    statement_timeout: Duration = timedelta(seconds=10)
    """A statement of an API call that runs longer is cancelled and answered with 503."""

    admin_api_key: SecretStr | None = None
    """The administrator's key. Unset on the embedded server: made on the first start and kept in the data directory."""

    secret_key: SecretStr | None = None
    """Keys the hashes of API keys and sessions, signs links, seals stored secrets. Unset on the embedded server: made
    and kept, as above."""

    host: str = "127.0.0.1"
    """The address that `serve` listens on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """The port that `serve` listens on; 0 takes a free one and prints it."""

    public_url: str | None = None
    """The address that people and clients reach this server by; links are made from it, never from a Host header."""

    smtp_url: SecretStr | None = None
    """`smtp://user:password@host:port` or `smtps://…`. Unset: mail is written to a Maildir."""

    bounce_address: str | None = None
    """Where undeliverable mails come back to, `bounces@example.com`, each with its name behind a plus; unset: to the
    From address."""

    inbound_key: SecretStr | None = None
    """The key that mail servers and providers report bounces with; the administrator's key does as well."""

    smtp_max_per_second: float | None = Field(default=None, gt=0)
    """Mails that one worker begins to hand over in a second, at most; unset: as fast as the server takes them."""

    webhook_allow_private: bool = False
    """Whether webhooks, SMS gateways and remote contents may be at private and special addresses; for development."""

    mail_dir: Path | None = None
    """The Maildir used without `smtp_url`; by default `mail` in the data directory."""

    rate_limits: Literal["on", "off"] = "on"
    """`off` is for tests and benchmarks only; the server warns at start."""

    rate_limit_storage_uri: str | None = None
    """`redis://host:port/0` (Redis or Valkey). Needed as soon as more than one process serves; unset: memory."""

    trusted_proxies: str = ""
    """Comma list of addresses or networks whose `X-Forwarded-For` is believed; empty: nobody's."""

    click_parameter: str = Field(default="", pattern=r"^[A-Za-z0-9_.~-]{0,64}$")
    """The name of a parameter by which links in mails tell their target which message led there; empty: none."""

    tracking_patience: Duration = timedelta(seconds=0.5)
    """How long the visitor of a tracked link waits for the database; then the visit is kept in the data directory."""

    session_lifetime: Duration = timedelta(days=30)
    """How long a login session lives."""

    attribution_window: Duration = timedelta(days=30)
    """How long after its last open or click a journey's message is what brought a conversion."""

    metrics_public: bool = False
    """Whether `/metrics` answers without the admin key."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe event that is written."""

    max_connections: int | None = Field(default=None, ge=1)
    """Connections of clients that one process holds at once; further ones are answered 503. Unset: three quarters of
    the files that the process may open, at most 10,000."""

    head_timeout: Duration = timedelta(seconds=10)
    """How long a client may take to send a request's first line and headers before its connection is closed."""

    body_timeout: Duration = timedelta(seconds=20)
    """How long a client may take to send a request body before it is answered with 408."""

    shutdown_grace: Duration = timedelta(seconds=20)
    """How long requests in flight may take to finish once the server was asked to stop."""

    drain_delay: Duration = timedelta(seconds=0.5)
    """How long `/readyz` answers 503 before the server stops taking connections: as long as a proxy needs to notice."""

    @property
    def links_url(self) -> str:
        """What links in mails start with: the public URL, or where this server listens."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @field_validator("bounce_address")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        local, _, domain = value.rpartition("@")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,19}", local) or not re.fullmatch(r"[A-Za-z0-9.-]{1,190}", domain):
            raise ValueError("must be an address with at most 19 letters before the @ and no plus")
        return value

    @field_validator("admin_api_key", "secret_key", "inbound_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 8:
            raise ValueError("must have at least 8 characters")
        return value

    @field_validator(
        "rate_limit_storage_uri", "database_url", "public_url", "bounce_address", "inbound_key", mode="before"
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value
