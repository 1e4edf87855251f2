"""The commands of exports (JC 1.21, 1.22)."""

from journeys_api.commands.call import Body, Call, Download
from journeys_api.commands.reading import boolean, identifier, one_of
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Param,
    Refusal,
    command,
    invalid,
    missing,
    not_found,
)
from journeys_api.exports import service, wire
from journeys_api.exports.errors import AnotherKindOfJob, ExportNotReady
from journeys_api.jobs.errors import JobNotFound
from journeys_api.journeys.parameters import check_window, stats_params
from journeys_api.stats.windows import Window

SOURCE = "JC 1.21"
PERMISSION = "Campaign.Create"


@command(
    "journey.export.submit",
    routes=[("POST", "/api/v1/journey.export")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        *stats_params("StatsStartDate", "StatsEndDate", invalid_start=1, invalid_end=2),
        Param("Status", "status", one_of("Enabled", "Disabled", service.ALL), invalid=4, default=service.ALL,
              doc="Only journeys in this state"),
        Param("IncludeActions", "with_actions", boolean, default=False, doc="Whether each journey's actions follow it"),
    ],
    check=check_window(3, 1, 2),
    refusals=[
        Refusal(1, "Invalid StatsStartDate format"),
        Refusal(2, "Invalid StatsEndDate format"),
        Refusal(3, "StatsStartDate must not be after StatsEndDate"),
        Refusal(4, "Invalid Status value (expected: Enabled, Disabled, or all)"),
    ],
    envelope=Envelope.ERRORS,
    title="Export Journeys",
    source=SOURCE,
    example={"StatsStartDate": "2025-01-01", "StatsEndDate": "2025-01-31", "Status": "all", "IncludeActions": True},
    answer={"Success": True, "ExportID": 456},
)  # fmt: skip
async def journey_export_submit(call: Call, *, window: Window, status: str, with_actions: bool) -> Body:
    """Have a CSV file written of the account's journeys and their numbers in a window of days.

    While 100 exports of the account wait for workers, another is answered with 429.

    Source: JC 1.21.
    """
    job = await service.submit(
        call.session, owner_id=call.owner_id, window=window, status=status, with_actions=with_actions, now=call.now
    )
    return {"Success": True, "ExportID": job.job_id}


@command(
    "journey.export.get",
    routes=[("GET", "/api/v1/journey.export")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        Param("ExportID", "job_id", identifier, missing=1, invalid=2, refers_to="export"),
        Param("download", "downloads", boolean, default=False, doc="Answer the file itself, `text/csv`"),
    ],
    refusals=[
        missing(1, "ExportID"),
        invalid(2, "ExportID"),
        not_found(3, "Export job not found"),
        not_found(4, "Wrong module"),
        Refusal(5, "Export job is not completed yet", 409),
    ],
    errors={JobNotFound: 3, AnotherKindOfJob: 4, ExportNotReady: 5},
    envelope=Envelope.ERRORS,
    title="Get an Export of Journeys",
    source="JC 1.22",
    example={"ExportID": 456},
    answer={
        "Success": True,
        "ExportJob": {
            "ExportID": 456,
            "Module": "JourneyExport",
            "Status": "Completed",
            "ExportOptions": {
                "Command": "ExportJourneys",
                "StatsStartDate": "2025-01-01",
                "StatsEndDate": "2025-01-31",
                "Status": "all",
                "IncludeActions": True,
            },
            "SubmittedAt": "2025-02-01 12:00:00",
            "StartedAt": "2025-02-01 12:00:01",
            "UpdatedAt": "2025-02-01 12:00:02",
            "FinishedAt": "2025-02-01 12:00:02",
            "ExpiresAt": "2025-02-08 12:00:02",
            "DownloadSize": 1024,
        },
    },
)
async def journey_export_get(call: Call, *, job_id: int, downloads: bool) -> Body | Download:
    """How far an export is, or, with `download`, its file: no cell of it begins as a formula does.

    Source: JC 1.22; reliability S63.
    """
    job, size = await service.get_export(call.session, owner_id=call.owner_id, job_id=job_id)
    if downloads:
        pieces = service.content_of(call.open_session, job)
        return Download(f"journeys-{job.job_id}.csv", "text/csv; charset=utf-8", size, pieces)
    return {"Success": True, "ExportJob": wire.export_job(job, size)}
