"""Exports as they are answered."""

from journeys_api.commands.call import Body
from journeys_api.commands.wire import instant
from journeys_api.models import Job, JobState

STATES = {
    JobState.PENDING: "Pending",
    JobState.RUNNING: "Processing",
    JobState.COMPLETED: "Completed",
    JobState.FAILED: "Failed",
}


def export_job(job: Job, size: int) -> Body:
    """The documented keys; an instant that has not come is null."""
    return {
        "ExportID": job.job_id,
        "Module": "JourneyExport",
        "Status": STATES[job.state],
        "ExportOptions": {
            "Command": "ExportJourneys",
            "StatsStartDate": job.parameters["start_on"],
            "StatsEndDate": job.parameters["end_on"],
            "Status": job.parameters["status"],
            "IncludeActions": job.parameters["with_actions"],
        },
        "SubmittedAt": instant(job.created_at),
        "StartedAt": instant(job.started_at, absent=None),
        "UpdatedAt": instant(job.updated_at),
        "FinishedAt": instant(job.finished_at, absent=None),
        "ExpiresAt": instant(job.expires_at, absent=None),
        "DownloadSize": size if job.state is JobState.COMPLETED else 0,
    }
