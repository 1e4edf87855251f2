"""Imports as they are answered."""

from journeys_api.commands.call import Body
from journeys_api.commands.wire import instant
from journeys_api.models import Job, JobState

STATES = {
    JobState.PENDING: "Pending",
    JobState.RUNNING: "Processing",
    JobState.COMPLETED: "Completed",
    JobState.FAILED: "Failed",
}


_TOLD = (
    *("ImportID", "ImportDate", "FinishedAt", "ImportStatus"),
    *("TotalSubscribers", "TotalImported", "TotalDuplicates", "TotalFailed", "Reason"),
)


def import_notice(job: Job) -> Body:
    """What the address that was handed in with an import is told at its end."""
    told = import_job(job)
    return {"ListID": job.parameters["list_id"], **{name: told[name] for name in _TOLD}}


def import_job(job: Job) -> Body:
    """The documented keys, and beside them what a person wants to know while it runs."""
    results = job.results or {"lines": 0, "imported": 0, "duplicates": 0, "failed": 0, "failures": []}
    processed = results["imported"] + results["duplicates"] + results["failed"]
    is_over = job.state in (JobState.COMPLETED, JobState.FAILED)
    return {
        "ImportID": job.job_id,
        "ImportDate": instant(job.created_at),
        "FinishedAt": instant(job.finished_at),
        "ImportStatus": STATES[job.state],
        "FailedData": "\n".join(f"Line {line}: {reason}" for line, reason in results["failures"]),
        # blank lines count nowhere, so that the number is known for certain only at the end
        "TotalSubscribers": processed if is_over else max(processed, results["lines"]),
        "TotalImported": results["imported"],
        "TotalDuplicates": results["duplicates"],
        "TotalFailed": results["failed"],
        "FailedLines": [{"Line": line, "Reason": reason} for line, reason in results["failures"]],
        "Progress": 100 if job.state is JobState.COMPLETED else job.done * 100 // max(job.total, 1),
        "Reason": job.reason,
    }
