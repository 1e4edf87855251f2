"""Mails that a recipient sends on to a friend: who sent them is said, and nothing in them is the recipient's own."""

import html
from dataclasses import replace

from journeys_api.delivery.messages import Mail, at_start_of_body

PREFIX = "Fwd: "


def as_forwarded(mail: Mail, *, by: str) -> Mail:
    """The mail as a friend gets it.

    Args:
        by: the address of whoever sends it on.
    """
    said = f"{by} thought that you would like to read this mail."
    shown = f'<p style="font:14px sans-serif;color:#555;margin:12px">{html.escape(said)}</p>'
    return replace(
        mail,
        subject=PREFIX + mail.subject,
        html=at_start_of_body(mail.html, shown) if mail.html else None,
        text=f"{said}\n\n{mail.text}" if mail.text else None,
        cc=(),
        bcc=(),
    )
