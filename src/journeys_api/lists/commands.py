"""The commands of lists (AC 2.4)."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import (
    boolean,
    choice,
    email_address,
    flag,
    identifier,
    known_ids,
    number,
    object_of_any,
    one_of,
    text,
)
from journeys_api.commands.registry import Param, Reading, Refusal, command, not_found
from journeys_api.lists import service, wire
from journeys_api.lists.errors import (
    ConfirmationEmailNotFound,
    LinkedListNotFound,
    ListLimitExceeded,
    ListNotFound,
    PhoneFieldNotFound,
    TemplateNotFound,
)
from journeys_api.lists.parameters import GivenOptions, read_confirmation_email, read_options
from journeys_api.lists.service import ConfirmationEmail, ListChanges
from journeys_api.models import OptInMode

_SENDER = [
    Param("SenderName", "sender_name", text, keeps_empty=True, doc="Default sender name of mail to this list"),
    Param("SenderEmailAddress", "sender_email_address", text, keeps_empty=True, doc="Default sender address"),
    Param("SenderCompany", "sender_company", text, keeps_empty=True),
    Param("SenderAddress", "sender_address", text, keeps_empty=True, doc="Postal address of the sender"),
]


@command(
    "list.create",
    permission="List.Create",
    params=[
        Param("SubscriberListName", "name", text, missing=1, doc="Names may repeat"),
        Param("Description", "description", text, keeps_empty=True),
        Param(
            "OptInMode",
            "opt_in_mode",
            choice(OptInMode),
            invalid=20,
            default=OptInMode.SINGLE,
            doc="Double is forced by a ConfirmationEmail, and by ForceOptInList of the user group",
        ),
        *_SENDER,
        Param(
            "ConfirmationEmail",
            "confirmation_email",
            object_of_any,
            invalid=21,
            doc="Makes the email that asks for the confirmation together with the list: Subject, FromName, FromEmail "
            "and ContentType (HTML, Plain, Both), HTMLContent and PlainContent as ContentType demands; optionally "
            "ReplyToName, ReplyToEmail, PreHeaderText, EmailName, Mode and, for Mode Template, RelTemplateID. An empty "
            "object is refused",
        ),
    ],
    refusals=[
        Refusal(1, "Missing subscriber list name"),
        Refusal(3, "User has exceeded maximum number of subscriber lists allowed by their user group", 403),
        Refusal(20, "Invalid optinmode (must be Single or Double)"),
        Refusal(21, "Missing required confirmationemail sub-field (subject, fromname, fromemail, or contenttype)"),
        Refusal(22, "Invalid confirmationemail.contenttype (must be HTML, Plain, or Both)"),
        Refusal(23, "confirmationemail.htmlcontent is required when contenttype is HTML or Both"),
        Refusal(24, "confirmationemail.plaincontent is required when contenttype is Plain or Both"),
        Refusal(25, "Invalid confirmationemail.mode (must be Editor, Stripo, Unlayer, Empty, Template, or Import)"),
        Refusal(26, "confirmationemail.reltemplateid is required when confirmationemail.mode is Template"),
        Refusal(30, "Confirmation email creation failed; list and email were rolled back", 404),
    ],
    errors={ListLimitExceeded: 3, TemplateNotFound: 30},
    check=read_confirmation_email,
    title="Create a List",
    source="AC 2.4",
    example={"SubscriberListName": "Newsletter", "OptInMode": "Single"},
    answer={"ListID": 123},
)
async def list_create(
    call: Call, *, name: str, opt_in_mode: OptInMode, confirmation_email: ConfirmationEmail | None, **columns: Any
) -> Body:
    """Make a list of subscribers.

    With a ConfirmationEmail the list and the email come into being together or not at all, and the answer also has
    `ConfirmationEmailID`. A RelTemplateID that names no email of the account is answered with 30.
    """
    made = await service.create_list(
        call.session,
        owner_id=call.owner_id,
        name=name,
        opt_in_mode=opt_in_mode,
        columns={column: value for column, value in columns.items() if value is not None},
        confirmation_email=confirmation_email,
        now=call.now,
    )
    if confirmation_email is None:
        return {"ListID": made.list_id}
    return {"ListID": made.list_id, "ConfirmationEmailID": made.opt_in_confirmation_email_id}


@command(
    "list.get",
    permission="List.Get",
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=1, also=("SubscriberListID",), refers_to="list"),
        Param("GetStats", "with_stats", boolean, default=False, doc="Also SubscriberCount and ActiveSubscriberCount"),
    ],
    refusals=[Refusal(1, "Missing list ID")],
    errors={ListNotFound: 1},
    title="Get a List",
    source="AC 2.4",
    example={"ListID": 123},
    answer={"List": {"ListID": 123, "Name": "Newsletter"}},
)
async def list_get(call: Call, *, list_id: int, with_stats: bool) -> Body:
    """One list, whole. Another account's list is answered like a missing id: the vendor has no code of its own for it.

    `GetStats` adds the keys that `lists.get` has beside the settings; without it nothing is counted.
    """
    found = await service.get_list(call.session, owner_id=call.owner_id, list_id=list_id)
    if not with_stats:
        return {"List": wire.list_row(found)}
    active = await service.count_active(call.session, owner_id=call.owner_id, list_id=list_id)
    segments = await service.count_segments(call.session, owner_id=call.owner_id, list_id=list_id)
    return {"List": wire.counted_list_row(found, active_count=active, segment_count=segments)}


_COLUMNS = [
    Param("Name", "name", text),
    Param("Description", "description", text, keeps_empty=True),
    *_SENDER,
    Param("OptInMode", "opt_in_mode", choice(OptInMode), invalid=3),
    Param(
        "OptInConfirmationEmailID",
        "opt_in_confirmation_email_id",
        identifier,
        invalid=24,
        refers_to="email",
        doc="The email that asks for the confirmation; 0: the plain default mail",
    ),
    Param("OptOutScope", "opt_out_scope", one_of("This list", "All lists"), invalid=4),
    Param("OptOutAddToSuppressionList", "opt_out_add_to_suppression_list", flag(), invalid=10),
    Param("OptOutAddToGlobalSuppressionList", "opt_out_add_to_global_suppression_list", flag(), invalid=10),
    Param("OptOutSubscribeTo", "opt_out_subscribe_to", identifier, invalid=25, refers_to="list", doc="0: none"),
    Param("OptOutUnsubscribeFrom", "opt_out_unsubscribe_from", identifier, invalid=25, refers_to="list", doc="0: none"),
    Param("OptInSubscribeTo", "opt_in_subscribe_to", identifier, invalid=25, refers_to="list", doc="0: none"),
    Param("OptInUnsubscribeFrom", "opt_in_unsubscribe_from", identifier, invalid=25, refers_to="list", doc="0: none"),
]
_TRUE_FALSE = flag("true", "false")
_ATTRIBUTES = [
    Param("HideInSubscriberArea", "HideInSubscriberArea", _TRUE_FALSE, invalid=6),
    Param(
        "SendServiceIntegrationFailedNotification", "SendServiceIntegrationFailedNotification", _TRUE_FALSE, invalid=5
    ),
    Param("SendActivityNotification", "SendActivityNotification", _TRUE_FALSE, invalid=5),
    Param("ReqByEmailSearchToAddress", "ReqByEmailSearchToAddress", email_address, invalid=9, keeps_empty=True),
    *(
        Param(name, name, text, keeps_empty=True, doc="Kept and answered")
        for name, default in wire.ATTRIBUTES.items()
        if default == "" and name != "ReqByEmailSearchToAddress"
    ),
]


def _check_update(reading: Reading) -> None:
    options = read_options(reading)
    reading["options"] = options
    if reading["sync_status"] == "Enabled":
        reading.refuse(8, "this server does not synchronize with MySQL")
    named = [param.name for param in (*_COLUMNS, *_ATTRIBUTES)]
    if options.is_empty and not any(reading.has(name) for name in (*named, "sync_status")):
        reading.refuse(11)


_OURS = "ours: the vendor names no code for a reference to nothing"


@command(
    "list.update",
    permission="List.Update",
    params=[
        Param("SubscriberListID", "list_id", identifier, missing=1, invalid=2, also=("ListID",), refers_to="list"),
        *_COLUMNS,
        *_ATTRIBUTES,
        Param("SyncStatus", "sync_status", one_of("Enabled", "Disabled"), invalid=8, doc="Only Disabled is accepted"),
        Param(
            "Options",
            "options",
            object_of_any,
            doc="Merged with what is stored, names without case: "
            "DoNotSendEmailCampaignIfRecipientIsEnrolledInJourneyOrAutoresponder, PlainEmailHeader, PlainEmailFooter, "
            "HTMLEmailHeader, HTMLEmailFooter, and PhoneFieldID: the custom field of this list (or a global one) that "
            'holds the telephone number SMS go to; 0 or "" for none',
            source="AC 2.4; PhoneFieldID is ours: the vendor maps the telephone field on a screen only",
        ),
    ],
    refusals=[
        Refusal(1, "Missing subscriber list ID"),
        Refusal(2, "Invalid subscriber list ID"),
        Refusal(3, "Invalid opt-in mode"),
        Refusal(4, "Invalid opt-out scope"),
        Refusal(5, "Invalid send notification setting"),
        Refusal(6, "Invalid hide in subscriber area setting"),
        Refusal(8, "Missing sync configuration parameters"),
        Refusal(9, "Invalid email address format for ReqByEmailSearchToAddress"),
        Refusal(10, "Invalid suppression list option"),
        Refusal(11, "Nothing to update"),
        Refusal(20, "ClickBank secret key encryption failed"),
        Refusal(21, "ClickBank secret key must be exactly 8 characters"),
        Refusal(22, "ClickBank transaction-type action must be one of: subscribe, unsubscribe, ignore"),
        not_found(
            23, "Options.PhoneFieldID is not a custom field of this list or a global one", source="ours: PhoneFieldID"
        ),
        not_found(24, "OptInConfirmationEmailID is not an email of this account", source=_OURS),
        not_found(25, "A list to subscribe to or to unsubscribe from is not a list of this account", source=_OURS),
    ],
    errors={
        ListNotFound: not_found(2, "Invalid subscriber list ID"),
        PhoneFieldNotFound: 23,
        ConfirmationEmailNotFound: 24,
        LinkedListNotFound: 25,
    },
    check=_check_update,
    title="Update a List",
    source="AC 2.4",
    example={"SubscriberListID": 123, "Name": "Newsletter 2", "OptInMode": "Double"},
    answer={"List": {"ListID": 123, "Name": "Newsletter 2", "OptInMode": "Double"}},
)
async def list_update(call: Call, *, list_id: int, options: GivenOptions, **given: Any) -> Body:
    """Change the settings sent; the others stay. "" clears a text, except the name.

    Page URLs, notification and request-by-email settings are kept and answered only. MySQL synchronization and
    ClickBank are refused rather than kept, because nothing would act on them.
    """
    changed = await service.update_list(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        changes=ListChanges(
            columns={param.name: given[param.name] for param in _COLUMNS if given[param.name] is not None},
            attributes={
                param.name: _attribute(given[param.name]) for param in _ATTRIBUTES if given[param.name] is not None
            },
            options=options.options,
            phone_field_id=options.phone_field_id,
        ),
        now=call.now,
    )
    return {"List": wire.list_row(changed)}


def _attribute(value: bool | str) -> str:
    return value if isinstance(value, str) else str(value).lower()


_ORDERS = {
    "listid": "list_id",
    "name": "name",
    "createdon": "created_at",
    "archivedat": "archived_at",
    "activesubscribercount": "active_count",
    "segmentcount": "segment_count",
}
_ARCHIVED: dict[str, bool | None] = {"true": True, "1": True, "yes": True, "all": None}


@command(
    "lists.get",
    permission="Lists.Get",
    params=[
        Param(
            "RecordsPerRequest",
            "most",
            number(),
            default=0,
            doc=f"0: all; never more than {service.MOST_LISTS} in one answer (page on with RecordsFrom)",
        ),
        Param("RecordsFrom", "first", number(), default=0),
        Param(
            "OrderField",
            "order_field",
            text,
            default="ListID",
            doc="ListID, Name, CreatedOn, ArchivedAt, ActiveSubscriberCount, SegmentCount or LastActivityAt; "
            "anything else: ListID",
        ),
        Param("OrderType", "order_type", text, default="ASC", doc="ASC or DESC"),
        Param("Search", "search", text, default="", doc="Part of Name or Description, without case"),
        Param("Archived", "archived", text, default="false", doc="`false`, `true` or `all`"),
    ],
    title="Get All Lists",
    source="AC 2.4",
    example={"RecordsPerRequest": 20, "OrderField": "Name", "Search": "news"},
    answer={"TotalListCount": 1, "Lists": [{"ListID": 123, "Name": "Newsletter", "SubscriberCount": 12345}]},
)
async def lists_get(
    call: Call, *, most: int, first: int, order_field: str, order_type: str, search: str, archived: str
) -> Body:
    """The account's lists with their numbers of active subscribers (Subscribed and not hard-bounced).

    `TotalListCount` counts what passes the filter. Archived lists are left out unless asked for.
    """
    page = await service.page_of_lists(
        call.session,
        owner_id=call.owner_id,
        search=search,
        is_archived=_ARCHIVED.get(archived.lower(), False),
        order_by=_ORDERS.get(order_field.lower(), "list_id"),
        descending=order_type.lower() == "desc",
        first=first,
        most=most,
    )
    return {
        "TotalListCount": page.total,
        "Lists": [
            wire.counted_list_row(
                found,
                active_count=page.active_counts.get(found.list_id, 0),
                segment_count=page.segment_counts.get(found.list_id, 0),
            )
            for found in page.lists
        ],
    }


@command(
    "lists.delete",
    permission="List.Delete",
    params=[Param("Lists", "list_ids", known_ids, missing=1, invalid=1, refers_to="list", doc="Comma-separated ids")],
    refusals=[Refusal(1, "List IDs are missing")],
    title="Delete Lists",
    source="AC 2.4",
    example={"Lists": "123,456"},
)
async def lists_delete(call: Call, *, list_ids: list[int]) -> Body:
    """Remove lists with their subscribers, segments, custom fields, tags, suppressed addresses and inbound webhooks.

    Other lists that lead to a removed one (`OptOutSubscribeTo` and its like) lead nowhere from then on. Members that
    are no ids, or not the account's lists, are skipped (as `journeys.delete` does); a list of ids without a single id
    is answered with 1.
    """
    await service.delete_lists(call.session, owner_id=call.owner_id, list_ids=list_ids, now=call.now)
    return {}
