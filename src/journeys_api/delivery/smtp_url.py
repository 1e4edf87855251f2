"""The SMTP server as one URL: where it is, how it is protected, who logs in."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit

PORTS = {"smtp": 25, "smtps": 465}
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_SHAPE = "smtp://user:password@host:port or smtps://…"


class BadSmtpUrl(ValueError):
    """The URL does not say where mail goes; the text says what is wrong with it and holds none of its secrets."""


class Protection(StrEnum):
    """When a connection is encrypted."""

    FROM_THE_START = "smtps"
    REQUIRED = "required"
    """STARTTLS, or nothing is sent."""
    OFFERED = "offered"
    """STARTTLS where the server offers it."""
    NEVER = "never"


@dataclass(frozen=True)
class SmtpServer:
    """What a parsed URL says."""

    host: str
    port: int
    protection: Protection
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    is_verified: bool = True
    """Whether the certificate has to be one that this machine trusts, and this host's."""
    may_tell_in_clear: bool = False
    """Whether the credentials may travel unencrypted to another machine."""


def parse_smtp_url(url: str) -> SmtpServer:
    """Read `smtp://[user:password@]host[:port]` or `smtps://…`, with what follows the `?`.

    `starttls=required` or `never` (`smtp://` only; else where offered), `verify=false` takes any certificate,
    `insecure_auth=true` lets credentials travel unencrypted. User and password are percent-encoded.

    Raises:
        BadSmtpUrl: anything else.
    """
    if re.search(r"[\x00-\x20\x7f]", url):
        raise BadSmtpUrl("the SMTP URL contains a space or a control character")
    scheme, colon, _ = url.partition("://")
    if not colon or scheme.lower() not in PORTS:
        raise BadSmtpUrl(f"the SMTP URL must look like {_SHAPE}")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError:
        raise BadSmtpUrl(_hint("host and port cannot be read")) from None
    if parts.path not in ("", "/") or parts.fragment or url.endswith("#"):
        raise BadSmtpUrl(_hint("something stands behind host and port"))
    if not host or not _is_host(host) or port == 0:
        raise BadSmtpUrl(_hint("host and port cannot be read"))
    username, password = _credentials(parts.username, parts.password)
    options = _options(parts.query)
    protection = _protection(scheme.lower(), options.get("starttls"))
    server = SmtpServer(
        host=host,
        port=port or PORTS[scheme.lower()],
        protection=protection,
        username=username,
        password=password,
        is_verified=options.get("verify", "true") == "true",
        may_tell_in_clear=options.get("insecure_auth", "false") == "true",
    )
    _refuse_telling_in_clear(server)
    return server


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its name or address alone, without asking the DNS."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_host(host: str) -> bool:
    try:
        return bool(ip_address(host.partition("%")[0]))
    except ValueError:
        return _NAME.fullmatch(host) is not None


def _hint(fault: str) -> str:
    return f"the SMTP URL must look like {_SHAPE}: {fault}; `/ # ? @ : %` in user and password are percent-encoded"


def _credentials(username: str | None, password: str | None) -> tuple[str | None, str | None]:
    if username is None and password is None:
        return None, None
    if not username or not password:
        raise BadSmtpUrl("the SMTP URL has a user without a password, or a password without a user")
    try:
        plain = unquote(username, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError:
        raise BadSmtpUrl("user and password of the SMTP URL are not UTF-8 once decoded") from None
    if any("\x00" in text for text in plain):
        raise BadSmtpUrl("user and password of the SMTP URL cannot contain NUL")
    return plain


def _options(query: str) -> dict[str, str]:
    allowed = {
        "starttls": ("required", "never"),
        "verify": ("true", "false"),
        "insecure_auth": ("true", "false"),
    }
    read: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise BadSmtpUrl("what follows the ? of the SMTP URL must be name=value&name=value") from None
    for name, value in pairs:
        if name not in allowed:
            raise BadSmtpUrl(f"the SMTP URL takes {', '.join(allowed)} behind the ?, nothing else")
        if value not in allowed[name] or name in read:
            raise BadSmtpUrl(f"{name} in the SMTP URL is {' or '.join(allowed[name])}, once")
        read[name] = value
    return read


def _protection(scheme: str, starttls: str | None) -> Protection:
    if scheme == "smtps":
        if starttls is not None:
            raise BadSmtpUrl("smtps:// is encrypted from the start: starttls is for smtp://")
        return Protection.FROM_THE_START
    return Protection(starttls) if starttls else Protection.OFFERED


def _refuse_telling_in_clear(server: SmtpServer) -> None:
    if server.protection is not Protection.NEVER or server.username is None or server.may_tell_in_clear:
        return
    if not is_loopback(server.host):
        raise BadSmtpUrl(
            "starttls=never would send user and password in clear over the network; insecure_auth=true allows it"
        )
