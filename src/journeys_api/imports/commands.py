"""The commands of imports (AC 2.5)."""

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import identifier
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    MIB,
    Envelope,
    Param,
    Refusal,
    Rejection,
    command,
    invalid,
    missing,
    not_found,
)
from journeys_api.errors import NotReadable
from journeys_api.imports import service, wire
from journeys_api.imports.errors import FieldMappingInvalid
from journeys_api.imports.parameters import Source, Webhook, check_source, sources, tag_names, webhooks, yes_or_no
from journeys_api.imports.service import OF_THE_ACCOUNT, OF_THE_LIST, Asked
from journeys_api.jobs.errors import JobNotFound
from journeys_api.jobs.service import require_room
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import JobKind, JobState
from journeys_api.uploads import Upload

SOURCE = "AC 2.5"
PERMISSION = "Subscribers.Import"
_UNREACHABLE = Refusal(18, "ImportFrom.CSV.URL remote data fetch failure")


@command(
    "subscribers.import.post",
    routes=[("POST", "/api/v1/subscribers.import")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    body_limit=256 * MIB,
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=20, also=("SubscriberListID",), refers_to="list"),
        Param("AddToGlobalSuppressionList", "to_account", yes_or_no, missing=4, invalid=9,
              doc="Whether addresses of lines that failed are suppressed in the whole account"),
        Param("AddToSuppressionList", "to_list", yes_or_no, missing=5, invalid=10,
              doc="Whether addresses of lines that failed are suppressed on the list"),
        Param("UpdateDuplicates", "updates", yes_or_no, missing=6, invalid=11,
              doc="Whether values and tags also go to those who are on the list already"),
        Param("TriggerActions", "triggers", yes_or_no, missing=7, invalid=12,
              doc="Whether journeys are told, and people asked to confirm where the list wants it"),
        Param("Tags", "tags", tag_names, missing=21, invalid=21, doc="Names of tags that everybody gets; may be `[]`"),
        Param("ImportFrom", "source", sources, missing=14, invalid=14,
              doc='`{"CSV": {…}}`; other sources are not taken'),
        Param("ImportStatusUpdateWebhookURL", "webhook", webhooks,
              doc="A public address that gets a POST when the import has ended, whether completed or failed"),
    ],
    refusals=[
        missing(1, "ListID"),
        missing(2, "FieldTerminator"),
        missing(4, "AddToGlobalSuppressionList"),
        missing(5, "AddToSuppressionList"),
        missing(6, "UpdateDuplicates"),
        missing(7, "TriggerActions"),
        missing(8, "MappedFields"),
        invalid(9, "AddToGlobalSuppressionList"),
        invalid(10, "AddToSuppressionList"),
        invalid(11, "UpdateDuplicates"),
        invalid(12, "TriggerActions"),
        invalid(13, "MappedFields"),
        Refusal(14, "ImportFrom source must be provided"),
        Refusal(15, "Fields are not mapped"),
        missing(16, "EscapedBy"),
        Refusal(17, "Field mapping is invalid"),
        _UNREACHABLE,
        not_found(19, "List not found"),
        invalid(20, "ListID"),
        missing(21, "Tags"),
    ],
    errors={ListNotFound: 19, FieldMappingInvalid: 17},
    envelope=Envelope.ERRORS,
    check=check_source,
    title="Import Subscribers",
    source=SOURCE,
    example={
        "ListID": 123,
        "AddToGlobalSuppressionList": False,
        "AddToSuppressionList": False,
        "UpdateDuplicates": True,
        "TriggerActions": True,
        "Tags": ["newsletter"],
        "ImportFrom": {
            "CSV": {
                "Data": "email,tags\nuser@example.com,2025",
                "FieldTerminator": ",",
                "FieldEncloser": '"',
                "EscapedBy": "\\",
                "MappedFields": {"FIELD1": "EmailAddress", "FIELD2": "TagAdd"},
            }
        },
    },
    answer={"ImportID": 789, "ImportType": "sync"},
)  # fmt: skip
async def subscribers_import_post(
    call: Call,
    *,
    list_id: int,
    to_account: bool,
    to_list: bool,
    updates: bool,
    triggers: bool,
    tags: tuple[str, ...],
    source: Source,
    webhook: Webhook | None,
) -> Body:
    """Put the people of a CSV file on a list, at once up to 50 lines and by a worker beyond.

    While 100 imports of the account wait for workers, one that would have to wait as well is answered with 429.

    Lines that cannot be read are told by `subscribers.import.get`, and the rest goes in. A file at an address is
    fetched by a worker; an address that is not public is refused.

    `ImportStatusUpdateWebhookURL` gets the JSON `{"ListID", "ImportID", "ImportDate", "FinishedAt", "ImportStatus",
    "TotalSubscribers", "TotalImported", "TotalDuplicates", "TotalFailed", "Reason"}`, as `subscribers.import.get`
    answers them then, with a `webhook-id` that is the same in every attempt. It is tried again as webhooks of journeys
    are; an address that cannot be read or is not public is 100000.
    """
    allows_private = call.settings.webhook_allow_private
    if webhook is not None and webhook.is_private and not allows_private:
        raise NotReadable("the value of ImportStatusUpdateWebhookURL cannot be read: the address is not public")
    if isinstance(source.data, Upload):
        # it has more lines than go in at once: nothing of it needs to be stored to know that
        await require_room(call.session, owner_id=call.owner_id, kind=JobKind.IMPORT, wanted=1)
    job = await service.submit(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        asked=Asked(
            form=source.form,
            mapped=source.mapped,
            updates=updates,
            triggers=triggers,
            tags=tags,
            suppresses=(OF_THE_LIST,) * to_list + (OF_THE_ACCOUNT,) * to_account,
            webhook=None if webhook is None else webhook.url,
        ),
        data=source.data,
        url=source.url,
        now=call.now,
    )
    if source.url is not None and source.is_private and not allows_private:
        raise Rejection([_UNREACHABLE.with_detail("the address is not public")])
    if job.state is JobState.PENDING:
        await require_room(call.session, owner_id=call.owner_id, kind=JobKind.IMPORT, wanted=0)
    return {"ImportID": job.job_id, "ImportType": "sync" if job.state is JobState.COMPLETED else "async"}


@command(
    "subscribers.import.get",
    routes=[("GET", "/api/v1/subscribers.import")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=3, also=("SubscriberListID",), refers_to="list"),
        Param("ImportID", "job_id", identifier, missing=2, invalid=4, refers_to="import"),
    ],
    refusals=[
        missing(1, "ListID"),
        missing(2, "ImportID"),
        invalid(3, "ListID"),
        invalid(4, "ImportID"),
        not_found(5, "List not found"),
        not_found(7, "Import job not found"),
    ],
    errors={ListNotFound: 5, JobNotFound: 7},
    envelope=Envelope.ERRORS,
    title="Get an Import",
    source=SOURCE,
    example={"ListID": 123, "ImportID": 789},
    answer={
        "ImportJob": {
            "ImportID": 789,
            "ImportDate": "2025-01-01 12:00:00",
            "FinishedAt": "2025-01-01 12:05:00",
            "ImportStatus": "Completed",
            "FailedData": "Line 3: not an email address",
            "TotalSubscribers": 1000,
            "TotalImported": 969,
            "TotalDuplicates": 30,
            "TotalFailed": 1,
            "FailedLines": [{"Line": 3, "Reason": "not an email address"}],
            "Progress": 100,
            "Reason": "",
        }
    },
)
async def subscribers_import_get(call: Call, *, list_id: int, job_id: int) -> Body:
    """How far an import is, what came of it, and which lines failed and why (the first 1,000)."""
    job = await service.get_import(call.session, owner_id=call.owner_id, list_id=list_id, job_id=job_id)
    return {"ImportJob": wire.import_job(job)}
