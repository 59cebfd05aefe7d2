"""What the schedule and the Jobs of a collector say: whether a run was started, is over, or hangs. Pure."""

from perptape_operator import clock, schedule
from perptape_operator.kinds import Manifest, conditions_of
from perptape_operator.reasons import Sighting


def missed_runs(cron_job: Manifest | None, every_ms: int, now: int, since: int = 0) -> Sighting | None:
    """Whether the controller has not started a run for more than two intervals. `since`: when the schedule last began to hold."""
    if cron_job is None or cron_job["spec"].get("suspend"):
        return None
    started = clock.ms((cron_job.get("status") or {}).get("lastScheduleTime")) or clock.ms(cron_job["metadata"].get("creationTimestamp"))
    last = None if started is None else max(started, since)
    if last is None or now - last <= 2 * every_ms + schedule.STARTING_DEADLINE_S * 1000:
        return None
    return Sighting("MissedRuns", f"no run was started since {clock.iso(last)}: look at the CronJob's events and at its running Jobs")


def finished(job: Manifest) -> bool:
    return any(c.get("type") in ("Complete", "Failed") and c.get("status") == "True" for c in conditions_of(job))


def stuck_at(job: Manifest) -> int | None:
    """When a Job that is not finished must be taken to hang; None while that cannot be said."""
    started, deadline = clock.ms((job.get("status") or {}).get("startTime")), (job.get("spec") or {}).get("activeDeadlineSeconds")
    if finished(job) or started is None or deadline is None:
        return None
    return started + (int(deadline) + schedule.STUCK_AFTER_S) * 1000
