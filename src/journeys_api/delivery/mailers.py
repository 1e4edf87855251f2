"""Which mailer the settings ask for."""

from typing import Final
from urllib.parse import urlsplit

from journeys_api.delivery.envelopes import Mailer
from journeys_api.delivery.maildir import MaildirMailer
from journeys_api.delivery.smtp import SmtpMailer
from journeys_api.settings import Settings

ATTEMPT_SECONDS: Final = 660.0
"""How long an attempt at sending a mail may take: a minute up to the final dot, and the ten that RFC 5321 asks us to
wait for the answer to it. Leases on deliveries are longer."""
POOL_SIZE: Final = 8


def mailer_for(settings: Settings, *, pool_size: int = POOL_SIZE, timeout: float = ATTEMPT_SECONDS) -> Mailer:
    """The mailer of the settings: SMTP where `smtp_url` is set, else a Maildir.

    Raises:
        BadSmtpUrl: the URL cannot be used; the start stops with its text.
    """
    url = settings.smtp_url.get_secret_value() if settings.smtp_url else ""
    if not url:
        return MaildirMailer(settings.mail_dir or settings.data_dir / "mail")
    return SmtpMailer(url, pool_size=pool_size, timeout=timeout, hello_name=_hello_name(settings))


def _hello_name(settings: Settings) -> str:
    """The host of the public URL; servers that look it up know it, other than this machine's own name."""
    host = urlsplit(settings.public_url or "").hostname or "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    if host.replace(".", "").isdigit():
        return f"[{host}]"
    return host.encode("idna").decode() if not host.isascii() else host
