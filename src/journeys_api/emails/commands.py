"""The commands of email contents (AC 2.8): `/api.php` only, no permission of their own."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import (
    boolean,
    choice,
    email_address,
    identifier,
    known_ids,
    members,
    number,
    one_of,
    text,
)
from journeys_api.commands.registry import (
    MIB,
    Param,
    Reading,
    Refusal,
    Rejection,
    command,
    invalid,
    missing,
    not_found,
)
from journeys_api.emails import domain_commands, gateway_commands, merge_tag_commands, service, wire
from journeys_api.emails.content import Problem, ValidateScope
from journeys_api.emails.errors import AnswerTooLarge, ContentRefused, EmailNotFound, SenderDomainUnusable
from journeys_api.emails.readers import line, switch

DECLARED_BESIDE = (domain_commands, gateway_commands, merge_tag_commands)
"""The noun's other commands; the catalog imports this module and with it them."""

MOST_IDS = 100
MOST_ROWS = 1000
_O55 = "AC 2.8 (v5.5.x)"


def _email_id(**more: Any) -> Param:
    return Param("EmailID", "email_id", identifier, missing=1, invalid=1, refers_to="email", **more)


@command(
    "email.create",
    title="Create an Email",
    source="AC 2.8",
    answer={"EmailID": 12345},
)
async def email_create(call: Call) -> Body:
    """An empty email; `email.update` fills it."""
    email = await service.create_email(call.session, owner_id=call.owner_id, now=call.now)
    return {"EmailID": email.email_id}


@command(
    "email.get",
    params=[_email_id()],
    refusals=[missing(1, "EmailID"), not_found(2, "Email not found")],
    errors={EmailNotFound: 2},
    title="Get an Email",
    source="AC 2.8",
    example={"EmailID": 12345},
)
async def email_get(call: Call, *, email_id: int) -> Body:
    """One email, whole: both bodies, the sender and `Options` as an object."""
    email = await service.get_email(call.session, owner_id=call.owner_id, email_id=email_id)
    return {"EmailInformation": wire.email(email)}


def _not_too_many(reading: Reading) -> None:
    if reading["email_ids"] is not None:
        reading["email_ids"] = set(reading["email_ids"])
        if len(reading["email_ids"]) > MOST_IDS:
            reading.refuse(3)


@command(
    "emails.get",
    params=[
        Param(
            "EmailIDs",
            "email_ids",
            known_ids,
            invalid=1,
            refers_to="email",
            doc=f"The emails wanted, at most {MOST_IDS}; absent: all of the account.",
        ),
        Param(
            "Fields", "fields", members, doc="Comma-separated fields of a row; absent: all. EmailID is always there."
        ),
        Param(
            "RecordsFrom", "offset", number(), default=0, doc="Rows to skip in the list of all.", source="ours: paging"
        ),
        Param(
            "RecordsPerRequest",
            "limit",
            number(),
            default=0,
            doc=f"Rows of the list of all to answer, at most {MOST_ROWS}; 0: all of them, as the vendor does.",
            source="ours: paging",
        ),
    ],
    refusals=[
        Refusal(1, "EmailIDs contains no valid id"),
        Refusal(3, f"Too many ids; max {MOST_IDS}"),
        Refusal(
            4, "Too much content for one answer; name fewer emails or Fields", source="ours: one server, many accounts"
        ),
    ],
    errors={AnswerTooLarge: 4},
    check=_not_too_many,
    title="Get Emails",
    source="AC 2.8, 9 #20",
    example={"EmailIDs": "9101,9102", "Fields": "EmailID,Subject,Mode,ContentType,UpdatedAt"},
)
async def emails_get(
    call: Call, *, email_ids: set[int] | None, fields: list[str] | None, offset: int, limit: int
) -> Body:
    """Emails by id, or all of the account.

    By id: rows as `email.get` answers them; ids that are not the account's emails are left out. All: rows of the table,
    ordered by EmailName, with `Options` as JSON text and without `Attachments`. Name the `Fields` you need: without
    them every row carries its bodies.
    """
    chosen = wire.email_fields(fields)
    columns = wire.email_columns(chosen)
    if email_ids is not None:
        found = await service.select_emails(call.session, owner_id=call.owner_id, email_ids=email_ids, columns=columns)
        return {"TotalEmailCount": len(found), "Emails": [wire.email(email, chosen) for email in found]}
    total, page = await service.list_emails(
        call.session,
        owner_id=call.owner_id,
        columns=columns,
        offset=offset,
        limit=min(limit, MOST_ROWS) or None,
    )
    return {"TotalEmailCount": total, "Emails": [wire.email_row(email, chosen) for email in page]}


_COLUMN_PARAMS = [
    Param("EmailName", "name", line, keeps_empty=True),
    Param("Subject", "subject", line, keeps_empty=True),
    Param("PreHeaderText", "pre_header_text", text, keeps_empty=True),
    Param("FromName", "from_name", line, keeps_empty=True),
    Param("FromEmail", "from_email", email_address, invalid=6, keeps_empty=True),
    Param("ReplyToName", "reply_to_name", line, keeps_empty=True),
    Param("ReplyToEmail", "reply_to_email", email_address, invalid=7, keeps_empty=True),
    Param("HTMLContent", "html_content", text, keeps_empty=True),
    Param("PlainContent", "plain_content", text, keeps_empty=True),
    Param("Mode", "mode", one_of("Unlayer", "Stripo", "Editor", "Empty", "Template", "Import"), invalid=4),
    Param("FetchURL", "fetch_url", line, keeps_empty=True, doc="Where the HTML body is; fetched for each mail."),
    Param("FetchPlainURL", "fetch_plain_url", line, keeps_empty=True, doc="Where the plain body is; likewise."),
    Param("ImageEmbedding", "image_embedding", switch),
    Param("RelTemplateID", "template_id", identifier, invalid=5, doc="Required with Mode `Template`; kept as given."),
    Param("IsEmailTemplate", "is_template", boolean),
    Param("ExtraContent1", "extra_content_1", text, keeps_empty=True, doc="The design, of an editor that keeps one."),
    Param("ExtraContent2", "extra_content_2", text, keeps_empty=True),
]
_OPTION_PARAMS = [
    Param("SenderDomain", "sender_domain", line, keeps_empty=True, doc="Judged with ValidateScope `Campaign` only."),
    Param("OpenTracking", "open_tracking", boolean, doc="True until it is set."),
    Param("LinkTracking", "link_tracking", boolean, doc="True until it is set."),
    Param("UTMTracking", "utm_tracking", boolean),
    Param("UTMSource", "utm_source", line, keeps_empty=True, doc="Required with UTMTracking."),
    Param("UTMMedium", "utm_medium", line, keeps_empty=True, doc="Required with UTMTracking."),
    Param("UTMCampaign", "utm_campaign", line, keeps_empty=True, doc="Required with UTMTracking."),
    Param("UTMTerm", "utm_term", line, keeps_empty=True),
    Param("UTMContent", "utm_content", line, keeps_empty=True),
    Param("UTMMergeTags", "utm_merge_tags", boolean),
]
_CONTENT_REFUSALS = {
    Problem.EMPTY: Refusal(8, "Email content cannot be empty"),
    Problem.NO_UNSUBSCRIBE_LINK_IN_HTML: Refusal(11, "Missing unsubscribe link in HTMLContent"),
    Problem.NO_UNSUBSCRIBE_LINK_IN_PLAIN: Refusal(12, "Missing unsubscribe link in PlainContent"),
    Problem.NO_CONFIRM_LINK_IN_HTML: Refusal(13, "Missing confirm link in HTMLContent", source=_O55),
    Problem.NO_CONFIRM_LINK_IN_PLAIN: Refusal(14, "Missing confirm link in PlainContent", source=_O55),
    Problem.NO_REJECT_LINK_IN_HTML: Refusal(15, "Missing reject link in HTMLContent", source=_O55),
    Problem.NO_REJECT_LINK_IN_PLAIN: Refusal(16, "Missing reject link in PlainContent", source=_O55),
    Problem.NO_UTM_SOURCE: missing(18, "UTMSource"),
    Problem.NO_UTM_MEDIUM: missing(19, "UTMMedium"),
    Problem.NO_UTM_CAMPAIGN: missing(20, "UTMCampaign"),
}


def _judge_together(reading: Reading) -> None:
    """Codes that one parameter earns by the value of another."""
    if reading["mode"] == "Template" and not reading["template_id"]:
        reading.refuse(5)
    if reading["utm_tracking"]:
        for name, code in (("utm_source", 18), ("utm_medium", 19), ("utm_campaign", 20)):
            if not reading[name]:
                reading.refuse(code)


@command(
    "email.update",
    params=[
        _email_id(),
        Param("ValidateScope", "scope", choice(ValidateScope), missing=9, invalid=10),
        *_COLUMN_PARAMS,
        *_OPTION_PARAMS,
    ],
    refusals=[
        missing(1, "EmailID"),
        not_found(3, "Email not found"),
        invalid(4, "Mode"),
        Refusal(5, "Missing RelTemplateID parameter", source=_O55),
        invalid(6, "FromEmail", source=_O55),
        invalid(7, "ReplyToEmail", source=_O55),
        missing(9, "ValidateScope"),
        invalid(10, "ValidateScope"),
        not_found(17, "Sender domain not found"),
        *_CONTENT_REFUSALS.values(),
    ],
    errors={EmailNotFound: 3, SenderDomainUnusable: 17},
    check=_judge_together,
    body_limit=16 * MIB,
    title="Update an Email",
    source="AC 2.8",
    example={
        "EmailID": 12345,
        "ValidateScope": "AutoResponder",
        "EmailName": "Welcome",
        "Subject": "Welcome, {{ Subscriber:FirstName }}",
        "HTMLContent": '<p>Hello</p><p><a href="{{ Link:Unsubscribe }}">Unsubscribe</a></p>',
    },
)
async def email_update(call: Call, *, email_id: int, scope: ValidateScope, **given: Any) -> Body:
    """Change what is sent and keep the rest; "" empties a text.

    The email as it would be afterwards is judged for ValidateScope: `OptIn` needs the tag `Link:Confirm` in each body
    (and `Link:Reject`, where the user group has ForceRejectOptLink `Enabled`); `Campaign` and `AutoResponder` need
    `Link:Unsubscribe` (unless the group has ForceUnsubscriptionLink `Disabled`); `Campaign` also wants an enabled
    sender domain of the account where one is named. An email without any body is refused only when the call touches
    the bodies. Attachments are not taken.
    """
    changes = service.EmailChanges(
        columns={param.name: given[param.name] for param in _COLUMN_PARAMS if given[param.name] is not None},
        options={param.wire: given[param.name] for param in _OPTION_PARAMS if given[param.name] is not None},
    )
    try:
        await service.update_email(
            call.session, owner_id=call.owner_id, email_id=email_id, scope=scope, changes=changes, now=call.now
        )
    except ContentRefused as refused:
        # one call earns several of these codes; an error of the domain leaves as one
        raise Rejection(_CONTENT_REFUSALS[problem] for problem in refused.problems) from None
    return {}


@command(
    "email.duplicate",
    params=[_email_id()],
    refusals=[missing(1, "EmailID"), not_found(2, "Email not found")],
    errors={EmailNotFound: 2},
    title="Duplicate an Email",
    source="AC 2.8",
    example={"EmailID": 12345},
    answer={"EmailID": 12346, "EmailName": "Copy of Newsletter"},
)
async def email_duplicate(call: Call, *, email_id: int) -> Body:
    """A new email of the same content, sender and options, named `Copy of …`."""
    new_id, name = await service.duplicate_email(call.session, owner_id=call.owner_id, email_id=email_id, now=call.now)
    return {"EmailID": new_id, "EmailName": name}


@command(
    "email.delete",
    params=[_email_id()],
    refusals=[missing(1, "EmailID")],
    errors={EmailNotFound: not_found(1, "Email not found", source="ours: the vendor has no code of its own for it")},
    title="Delete an Email",
    source="AC 2.8",
    example={"EmailID": 12345},
)
async def email_delete(call: Call, *, email_id: int) -> Body:
    """Take an email away: every command answers it as not found, and a journey's step that sends it fails visibly."""
    await service.delete_email(call.session, owner_id=call.owner_id, email_id=email_id, now=call.now)
    return {}
