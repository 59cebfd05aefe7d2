"""What can be seen of a child from outside: its pods, Jobs and CronJob, and the reports that are believed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from perptape_api.names import CHILD_LABEL, WORK_HASH_ANNOTATION
from perptape_operator import clock, report, schedule
from perptape_operator.kinds import Manifest, annotations_of, controller_uid, labels_of, name_of, uid_of
from perptape_operator.report import Disbelieved, Report

IMAGE: Final = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
CONFIGURATION: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
JOB_FAILURES: Final = {
    "DeadlineExceeded": "the run was stopped at its deadline",
    "BackoffLimitExceeded": "the run failed, and failed again",
    "PodFailurePolicy": "the run refused its configuration (exit 2)",
}


@dataclass(frozen=True, slots=True)
class Sighting:
    """Trouble that is seen where there is no report."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of one child."""

    reports: tuple[Report, ...] = ()
    """Believed and of the current work, the run that started last first."""
    disbelieved: tuple[Disbelieved, ...] = ()
    trouble: Sighting | None = None
    ready: int = 0
    pods: int = 0


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of one child. `told`: what pods that stay answered over HTTP, by their UID."""

    pods: tuple[Manifest, ...] = ()
    jobs: tuple[Manifest, ...] = ()
    told: Mapping[str, Report | Disbelieved] = field(default_factory=dict)


def of_child(child: str, live: Iterable[Manifest], told: Mapping[str, Report | Disbelieved]) -> Objects:
    """The pods and Jobs with a child's label, newest first."""
    mine = [manifest for manifest in live if labels_of(manifest).get(CHILD_LABEL) == child]
    newest = sorted(mine, key=lambda m: (m["metadata"].get("creationTimestamp") or "", name_of(m)), reverse=True)
    pods = tuple(m for m in newest if m["kind"] == "Pod")
    return Objects(pods, tuple(m for m in newest if m["kind"] == "Job"), {uid_of(p): told[uid_of(p)] for p in pods if uid_of(p) in told})


def seen(objects: Objects, work: str | None, now: int) -> Seen:
    """What the objects show. `work`: the hash that a report must have; None where any does."""
    reports: list[Report] = []
    disbelieved: list[Disbelieved] = []
    trouble: Sighting | None = None
    for newest, pod in ((index == 0, pod) for index, pod in enumerate(objects.pods)):
        found = _report(pod, objects, now)
        if isinstance(found, Disbelieved):
            disbelieved.append(found)
        elif found is not None and work in (None, found.work_hash):
            reports.append(found)
        if newest and (not isinstance(found, Report) or _killed(pod)):
            trouble = _trouble(pod, work)
    if trouble is None:
        trouble = _job_trouble(objects, work)
    reports.sort(key=lambda one: one.started, reverse=True)
    alive = [pod for pod in objects.pods if _current(pod, work) and not pod["metadata"].get("deletionTimestamp")]
    return Seen(tuple(reports), tuple(disbelieved), trouble, sum(map(ready, alive)), len(alive))


def _report(pod: Manifest, objects: Objects, now: int) -> Report | Disbelieved | None:
    told = objects.told.get(uid_of(pod))
    if told is not None:
        return told
    for status in _containers(pod):
        ended = (status.get("state") or {}).get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
        if ended.get("message"):
            return report.read(ended["message"], name_of(pod), now)
    return None


def ready(pod: Manifest) -> bool:
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in _conditions(pod))


def _trouble(pod: Manifest, work: str | None) -> Sighting | None:
    """What keeps a pod of the current work from doing it."""
    if not _current(pod, work):
        return None
    for condition in _conditions(pod):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            said = condition.get("message", "")
            reason = "ClaimMissing" if "persistentvolumeclaim" in said and "not found" in said else "Unschedulable"
            return Sighting(reason, f"no node takes pod {name_of(pod)}: {said}")
    for status in _containers(pod):
        found = _container_trouble(status, name_of(pod))
        if found is not None:
            return found
    told = pod.get("status") or {}
    if told.get("phase") == "Failed":
        return Sighting(str(told.get("reason") or "PodFailed"), f"pod {name_of(pod)} ended: {told.get('message') or 'without a word'}")
    return None


def _container_trouble(status: Manifest, pod: str) -> Sighting | None:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or last.get("terminated") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in IMAGE:
        return Sighting("ImagePull", f"pod {pod} cannot get its image {status.get('image', '')}: {message or reason}")
    if reason in CONFIGURATION:
        return Sighting("PodConfiguration", f"pod {pod} cannot be started: {message or reason}")
    if ended.get("reason") == "OOMKilled":
        return Sighting("OOMKilled", f"pod {pod} needed more memory than its limit: raise spec.worker.resources.limits.memory")
    if ended and ended.get("exitCode"):
        looping = ", again and again" if reason == "CrashLoopBackOff" else ""
        return Sighting("PodFailed", f"pod {pod} ended with exit code {ended['exitCode']}{looping}: see kubectl logs {pod}")
    return None


def _killed(pod: Manifest) -> bool:
    return any(((s.get("state") or {}).get("terminated") or {}).get("reason") == "OOMKilled" for s in _containers(pod))


def _job_trouble(objects: Objects, work: str | None) -> Sighting | None:
    """How the newest Job failed, where no pod of it is left to ask."""
    current = (job for job in objects.jobs if work is None or annotations_of(job["spec"]["template"]).get(WORK_HASH_ANNOTATION) == work)
    job = next(current, None)
    failed = None if job is None else next((c for c in _conditions(job) if c.get("type") == "Failed" and c.get("status") == "True"), None)
    if job is None or failed is None or any(controller_uid(pod) == uid_of(job) for pod in objects.pods):
        return None
    said = JOB_FAILURES.get(failed.get("reason", ""), failed.get("message", ""))
    return Sighting("JobFailed", f"job {name_of(job)}: {said}")


def missed_runs(cron_job: Manifest | None, every_ms: int, now: int) -> Sighting | None:
    """Whether the controller has not started a run for more than two intervals."""
    if cron_job is None or cron_job["spec"].get("suspend"):
        return None
    last = clock.ms((cron_job.get("status") or {}).get("lastScheduleTime")) or clock.ms(cron_job["metadata"].get("creationTimestamp"))
    if last is None or now - last <= 2 * every_ms + schedule.STARTING_DEADLINE_S * 1000:
        return None
    return Sighting("MissedRuns", f"no run was started since {clock.iso(last)}: look at the CronJob's events and at its running Jobs")


def finished(job: Manifest) -> bool:
    return any(c.get("type") in ("Complete", "Failed") and c.get("status") == "True" for c in _conditions(job))


def stuck_at(job: Manifest) -> int | None:
    """When a Job that is not finished must be taken to hang; None while that cannot be said."""
    started, deadline = clock.ms((job.get("status") or {}).get("startTime")), (job.get("spec") or {}).get("activeDeadlineSeconds")
    if finished(job) or started is None or deadline is None:
        return None
    return started + (int(deadline) + schedule.STUCK_AFTER_S) * 1000


def _current(pod: Manifest, work: str | None) -> bool:
    return work is None or annotations_of(pod).get(WORK_HASH_ANNOTATION) == work


def _conditions(manifest: Manifest) -> list[dict[str, Any]]:
    return (manifest.get("status") or {}).get("conditions") or []


def _containers(pod: Manifest) -> list[dict[str, Any]]:
    return (pod.get("status") or {}).get("containerStatuses") or []
