"""What the catalog of merge tags offers stands filled in in the mails of journeys."""

from tests.conftest import Client
from tests.engine.conftest import Audience, Work, running

NOT_CONFIRMED = "{{ Subscriber:OptInDate }}"
"""Empty for who never had to confirm."""


async def test_mails_fill_in_whatever_the_catalog_offers(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    field_id = await audience.field("Home town", MergeTagAlias="Town")
    assert api.account
    profile = ("FirstName", "LastName", "CompanyName", "Website", "Street", "City", "State", "Zip", "Phone", "Fax")
    await api.ok("user.update", UserID=api.account.user_id, Country="DE", **{name: f"my {name}" for name in profile})
    tags = (await api.ok("personalization.gettags", SubscriberListID=audience.list_id))["Tags"]
    listed = [entry["Tag"] for entries in tags.values() for entry in entries if entry["Tag"] != NOT_CONFIRMED]
    email_id = int((await api.ok("email.create"))["EmailID"])
    text = "\n".join(f"[{number}]={tag}" for number, tag in enumerate(listed))
    await api.ok(
        "email.update",
        EmailID=email_id,
        ValidateScope="AutoResponder",
        Subject="All",
        PlainContent=f"{text}\n%Link:Unsubscribe%",
        HTMLContent="",
    )
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id})
    person = await audience.subscribe(address)
    await audience.update(person, Fields={f"CustomField{field_id}": "Ulm"})
    await audience.enter(journey_id, person)
    await work.run()

    [mail] = work.mails_to(address)
    lines = dict(line.split("=", 1) for line in mail.get_content().splitlines() if line.startswith("["))
    empty = [tag for number, tag in enumerate(listed) if not lines[f"[{number}]"].strip()]
    assert empty == []
    assert "Ulm" in lines.values()
