"""The short link of a short message: it leads on for as long as the action says, and nowhere that we did not sign."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from journeys_api.links.tokens import Kind, sign
from tests.conftest import SECRET_KEY, Client
from tests.engine.conftest import Audience, Work, running, telephone


async def sent_text(api: Client, admin: Client, audience: Audience, work: Work, **action: Any) -> str:
    """What the message said."""
    gateway_id, field_id = await telephone(api, admin, audience)
    journey_id = await running(
        api, {"Action": "SendSMS", "message": "Look: {{link}}", "gateway_id": gateway_id, **action}
    )
    subscriber_id = await audience.subscribe("eve@example.com", **{f"CustomField{field_id}": "+14155550123"})
    await audience.enter(journey_id, subscriber_id)
    await work.run()
    (line,) = (work.maildir.parent / "sms.log").read_text().splitlines()
    text: str = json.loads(line)["Message"]
    return text


async def test_a_short_link_leads_to_the_target_with_its_utm_marks(
    api: Client, admin: Client, audience: Audience, work: Work
) -> None:
    text = await sent_text(
        api, admin, audience, work,
        include_link=True, link_url="https://shop.example/sale?a=1", link_utm_source="sms", link_utm_campaign="x y",
    )  # fmt: skip

    found = re.fullmatch(r"Look: (http://\S+)", text)
    assert found
    path = urlsplit(found[1]).path
    response = await api.http.get(path)
    assert response.status_code == 302
    assert response.headers["Location"] == "https://shop.example/sale?a=1&utm_source=sms&utm_campaign=x+y"
    changed = path[:-2] + ("A" if path[-2] != "A" else "B") + path[-1]
    assert (await api.http.get(changed)).status_code == 404


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", "data:text/html,x", ""])
async def test_only_web_addresses_become_links(
    url: str, api: Client, admin: Client, audience: Audience, work: Work
) -> None:
    text = await sent_text(api, admin, audience, work, include_link=True, link_url=url)

    assert text == "Look: "


async def test_a_short_link_expires(api: Client, admin: Client, audience: Audience, work: Work) -> None:
    assert api.account
    await sent_text(
        api, admin, audience, work, include_link=True, link_url="https://shop.example/", link_expiry_hours=1
    )
    (row,) = await work.rows("SELECT delivery_id FROM deliveries WHERE owner_id = :owner", owner=api.account.user_id)
    past = int((datetime.now(UTC) - timedelta(seconds=2)).timestamp())
    expired = sign(SECRET_KEY.encode(), Kind.SHORT, api.account.user_id, row.delivery_id, past)

    response = await api.http.get(f"/t/s/{expired}")

    assert response.status_code == 410
    assert "Location" not in response.headers
