"""How the pages behind links look: a title, a sentence, and perhaps a form. Nothing in them is anybody else's HTML."""

import html
import secrets

from fastapi.responses import HTMLResponse

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style nonce="{nonce}">
body {{ font: 1rem/1.5 sans-serif; max-width: 32rem; margin: 15vh auto; padding: 0 1rem; color: #222; }}
button, input {{ font: inherit; padding: .5rem 1.25rem; margin-bottom: .5rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{text}</p>
{more}</body>
</html>
"""
_FORM = '<form method="post">{fields}<button type="submit" name="Act" value="{act}">{button}</button></form>\n'
_ONWARD = '<p><a href="{url}" rel="noreferrer">Continue</a></p>\n'
_POLICY = "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


def answer(title: str, text: str, *, more: str = "", status: int = 200) -> HTMLResponse:
    """A page. Title and text are escaped here, `more` is HTML."""
    nonce = secrets.token_urlsafe(16)
    page = _PAGE.format(nonce=nonce, title=html.escape(title), text=html.escape(text), more=more)
    headers = {
        "Content-Security-Policy": _POLICY.format(nonce=nonce),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(page, status, headers=headers)


def nothing() -> HTMLResponse:
    """The page of a link that is none, or leads to what is gone."""
    return answer("Nothing here", "This link is not one of ours, or what it was about is gone.", status=404)


def try_again() -> HTMLResponse:
    """The page for when the database is away."""
    page = answer("Try again in a moment", "This cannot be done just now.", status=503)
    page.headers["Retry-After"] = "5"
    return page


def button(act: str, label: str, *, fields: str = "") -> str:
    """A form with one button.

    Args:
        act: what the button says that it is for; the page looks for it in the answer.
        fields: HTML of what is filled in before.
    """
    return _FORM.format(act=act, button=html.escape(label), fields=fields)


def onward(url: str) -> str:
    """A link to another page; nothing for what is no web address."""
    return _ONWARD.format(url=html.escape(url)) if url.lower().startswith(("https://", "http://")) else ""
