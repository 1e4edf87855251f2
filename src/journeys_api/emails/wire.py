"""Wire shapes of email contents, sender domains and SMS gateways."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from journeys_api.commands.wire import instant
from journeys_api.emails.content import DEFAULT_OPTIONS
from journeys_api.models import Email, SenderDomain, SmsGateway
from journeys_api.strict_json import fold

ATTACHMENTS = "Attachments"
_COLUMNS: Mapping[str, str] = {
    "EmailID": "email_id",
    "RelUserID": "owner_id",
    "EmailName": "name",
    "FromName": "from_name",
    "FromEmail": "from_email",
    "ReplyToName": "reply_to_name",
    "ReplyToEmail": "reply_to_email",
    "ContentType": "content_type",
    "Mode": "mode",
    "FetchURL": "fetch_url",
    "FetchPlainURL": "fetch_plain_url",
    "Subject": "subject",
    "PlainContent": "plain_content",
    "HTMLContent": "html_content",
    "ExtraContent1": "extra_content_1",
    "ExtraContent2": "extra_content_2",
    "ImageEmbedding": "image_embedding",
    "RelTemplateID": "template_id",
    "PreHeaderText": "pre_header_text",
    "Options": "options",
    "IsEmailTemplate": "is_template",
    "CreatedAt": "created_at",
    "UpdatedAt": "updated_at",
    "DeletedAt": "deleted_at",
}
"""Field of an email on the wire → attribute of `Email`."""
EMAIL_FIELDS = frozenset({*_COLUMNS, ATTACHMENTS})
_CANONICAL = {fold(field): field for field in EMAIL_FIELDS}


def email_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an email, each with its value or its default."""
    return {**DEFAULT_OPTIONS, **options}


_RENDERED: Mapping[str, Callable[[Any], object]] = {
    "ContentType": lambda content_type: content_type.value,
    "ImageEmbedding": lambda is_embedding: "Enabled" if is_embedding else "Disabled",
    "IsEmailTemplate": int,
    "Options": email_options,
    "CreatedAt": instant,
    "UpdatedAt": instant,
    "DeletedAt": lambda deleted_at: instant(deleted_at, absent=None),
}


def email_fields(names: Iterable[str] | None) -> frozenset[str]:
    """The fields that a projection asks for: without case, unknown ones dropped, the id always; None is all."""
    if names is None:
        return EMAIL_FIELDS
    return frozenset({"EmailID", *(_CANONICAL[fold(name)] for name in names if fold(name) in _CANONICAL)})


def email_columns(fields: Collection[str]) -> list[str]:
    """The attributes of `Email` that the fields are made of."""
    return [column for field, column in _COLUMNS.items() if field in fields]


def email(found: Email, fields: Collection[str] = EMAIL_FIELDS) -> dict[str, object]:
    """An email as `email.get` answers it. Attachments are not taken, so there are none."""
    row: dict[str, object] = {}
    for field, column in _COLUMNS.items():
        if field in fields:
            value = getattr(found, column)
            row[field] = _RENDERED[field](value) if field in _RENDERED else value
    if ATTACHMENTS in fields:
        row[ATTACHMENTS] = []
    return row


def email_row(found: Email, fields: Collection[str]) -> dict[str, object]:
    """An email as the list of all answers it: like a row of the vendor's table, with the options as JSON text."""
    row = email(found, [field for field in fields if field != ATTACHMENTS])
    if "Options" in row:
        row["Options"] = json.dumps(row["Options"], ensure_ascii=False, separators=(",", ":"))
    return row


def sender_domain(found: SenderDomain) -> dict[str, object]:
    """A sender domain. There are no DNS records to publish, and mail is not counted by sending domain."""
    options = found.options
    return {
        "DomainID": str(found.domain_id),
        "SenderDomain": found.name,
        "UserID": str(found.owner_id),
        "CreatedAt": instant(found.created_at),
        "Status": found.status.value,
        "LastVerifiedAt": instant(found.last_verified_at, absent=None),
        "VerificationMeta": {"DNSRecords": {}},
        "PolicyMeta": [],
        "Options": {
            "LinkTracking": int(options.get("LinkTracking", True)),
            "OpenTracking": int(options.get("OpenTracking", True)),
            "UnsubscribeLink": int(options.get("UnsubscribeLink", False)),
            "CustomSubdomain": options.get("CustomSubdomain", ""),
            "CustomTrackPrefix": options.get("CustomTrackPrefix", ""),
            "TrackPrefixDisabled": options.get("TrackPrefixDisabled", False),
        },
        "Volume7d": 0,
        "VolumeDelta": None,
        "Reputation": None,
        "ReputationBucket": None,
        "DeliveryRate": None,
        "BounceRate": None,
    }


def gateway(found: SmsGateway) -> dict[str, object]:
    """An SMS gateway; of its credentials only the names of those that are set."""
    return {
        "GatewayID": found.gateway_id,
        "GatewayName": found.name,
        "GatewayType": found.kind,
        "Status": found.status.value,
        "IsGlobal": found.is_global,
        "UserIDs": list(found.user_ids),
        "SenderIDs": list(found.sender_ids),
        "CredentialKeys": sorted(found.credentials),
        "CreatedAt": instant(found.created_at),
    }
