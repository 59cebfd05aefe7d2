"""What can be seen of a child from outside: its pods, Jobs and CronJob, and the reports that are believed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final

from perptape_api.names import CHILD_LABEL, WORK_HASH_ANNOTATION
from perptape_operator import clock, report, under_way
from perptape_operator.kinds import (
    DEPLOYMENT,
    JOB,
    POD,
    Manifest,
    annotations_of,
    conditions_of,
    controller_uid,
    ended,
    labels_of,
    name_of,
    uid_of,
)
from perptape_operator.reasons import Reason, Sighting
from perptape_operator.report import Disbelieved, Report

IMAGE: Final = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
CONFIGURATION: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
JOB_FAILURES: Final = {
    "DeadlineExceeded": "the run was stopped at its deadline",
    "BackoffLimitExceeded": "the run failed, and failed again",
    "PodFailurePolicy": "the run refused its configuration (exit 2)",
}
KILLED = 137
"""What a container ends with that is killed: 128 and SIGKILL."""
RECENT_MS: Final = 10 * 60_000
"""So long a restart of a pod that works again is told."""


NOTHING: Final[Mapping[tuple[str, str], str]] = {}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of one child."""

    reports: tuple[Report, ...] = ()
    """Believed and of the current work, the run that started last first."""
    disbelieved: tuple[Disbelieved, ...] = ()
    trouble: Sighting | None = None
    placing: Sighting | None = None
    """A pod that no node has taken yet, within its grace."""
    running: Sighting | None = None
    """Of runs: the newest is under way."""
    unanswered: Sighting | None = None
    """A pod at work whose venue does not answer it."""
    restarted: Sighting | None = None
    """Of pods that stay: one that was killed lately and works again."""
    rollout: Sighting | None = None
    """Of pods that stay: what keeps one that is newer than all that are ready from taking an older one's place."""
    ready: int = 0


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of one child. `told`: what pods that stay answered over HTTP, by their UID. `unanswered`: why the venue of a pod does not
    answer it, as it says itself, by its name."""

    pods: tuple[Manifest, ...] = ()
    jobs: tuple[Manifest, ...] = ()
    deployments: tuple[Manifest, ...] = ()
    told: Mapping[str, Report | Disbelieved] = field(default_factory=dict)
    unanswered: Mapping[str, str] = field(default_factory=dict)


def of_child(
    child: str,
    live: Iterable[Manifest],
    told: Mapping[str, Report | Disbelieved],
    unanswered: Mapping[tuple[str, str], str] = NOTHING,
) -> Objects:
    """The pods, Jobs and Deployment with a child's label, newest first."""
    mine = [manifest for manifest in live if labels_of(manifest).get(CHILD_LABEL) == child]
    newest = sorted(mine, key=lambda m: (m["metadata"].get("creationTimestamp") or "", name_of(m)), reverse=True)
    pods, jobs, deployments = (tuple(m for m in newest if m["kind"] == kind.name) for kind in (POD, JOB, DEPLOYMENT))
    silent = {name_of(pod): said for pod in pods if (said := unanswered.get((pod["metadata"]["namespace"], name_of(pod))))}
    return Objects(pods, jobs, deployments, {uid_of(pod): told[uid_of(pod)] for pod in pods if uid_of(pod) in told}, silent)


def seen(objects: Objects, work: str | None, now: int) -> Seen:
    """What the objects show. `work`: the hash that a report must have; None where any does."""
    found = [(pod, _report(pod, objects, now)) for pod in objects.pods]
    reports = [said for _, said in found if isinstance(said, Report) and work in (None, said.work_hash)]
    alive = [pod for pod in objects.pods if _current(pod, work) and not pod["metadata"].get("deletionTimestamp")]
    return Seen(
        tuple(sorted(reports, key=lambda one: one.started, reverse=True)),
        tuple(said for _, said in found if isinstance(said, Disbelieved)),
        _trouble_of_all(objects, found, work, now),
        next(filter(None, (under_way.placing(pod, now) for pod in alive)), None),
        next(filter(None, (under_way.running(pod) for pod, said in found[:1] if said is None and pod in alive)), None),
        next(filter(None, (under_way.unanswered(pod, objects.unanswered) for pod in alive)), None),
        next((told for pod in alive if (told := _restarted(pod, now)) is not None), None),
        _rollout(alive, work, now) or _halted(objects),
        sum(map(ready, alive)),
    )


def _trouble_of_all(
    objects: Objects, found: Iterable[tuple[Manifest, Report | Disbelieved | None]], work: str | None, now: int
) -> Sighting | None:
    """Of runs the newest pod tells, unless it left a report; of pods that stay each that is not ready."""
    for index, (pod, said) in enumerate(found):
        concerned = not ready(pod) if stays(pod) else index == 0 and (not isinstance(said, Report) or _killed(pod))
        trouble = _trouble(pod, work, now) if concerned else None
        if trouble is not None:
            return trouble
    return _job_trouble(objects, work) or _deployment_trouble(objects)


def stays(pod: Manifest) -> bool:
    """Whether a pod is one of a Deployment's."""
    owners: list[dict[str, Any]] = pod["metadata"].get("ownerReferences") or []
    return any(owner.get("kind") == "ReplicaSet" for owner in owners)


def _rollout(alive: Iterable[Manifest], work: str | None, now: int) -> Sighting | None:
    """Why a rollout does not get on: a Deployment keeps as many old pods as are wanted until the new one is ready."""
    later = takewhile(lambda pod: not ready(pod), (pod for pod in alive if stays(pod) and not ended(pod)))  # the newest come first
    return next((found for pod in later if (found := _trouble(pod, work, now)) is not None), None)


def _halted(objects: Objects) -> Sighting | None:
    """That a Deployment gave a rollout up (after a day): its new pods run, and do not get ready."""
    for deployment in objects.deployments:
        for condition in conditions_of(deployment):
            if condition.get("reason") == "ProgressDeadlineExceeded" and condition.get("status") == "False":
                said = condition.get("message") or condition["reason"]
                return Sighting("RolloutStuck", f"deployment {name_of(deployment)} gets no new pod ready: {said}")
    return None


def _restarted(pod: Manifest, now: int) -> Sighting | None:
    for status in _containers(pod):
        end = (status.get("lastState") or {}).get("terminated") or {}
        at = clock.ms(end.get("finishedAt"))
        if ready(pod) and end.get("reason") == "OOMKilled" and at is not None and now - at < RECENT_MS:
            said = f"pod {name_of(pod)} needed more memory than its limit at {end['finishedAt']}, and works again"
            return Sighting("Restarted", f"{said}: raise spec.worker.resources.limits.memory")
    return None


def _report(pod: Manifest, objects: Objects, now: int) -> Report | Disbelieved | None:
    told = objects.told.get(uid_of(pod))
    if stays(pod) and ended(pod):
        return None  # another pod is in its place, and says how it stands
    if told is not None:
        return told
    for status in _containers(pod):
        end = (status.get("state") or {}).get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
        if end.get("message"):
            return report.read(end["message"], name_of(pod), now)
    return None


def ready(pod: Manifest) -> bool:
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions_of(pod))


def _trouble(pod: Manifest, work: str | None, now: int) -> Sighting | None:
    """What keeps a pod of the current work from doing it."""
    if not _current(pod, work):
        return None
    said = under_way.unplaced(pod)
    if said is not None:
        reason: Reason = "ClaimMissing" if "persistentvolumeclaim" in said and "not found" in said else "Unschedulable"
        return None if under_way.placing(pod, now) is not None else Sighting(reason, f"no node takes pod {name_of(pod)}: {said}")
    for status in _containers(pod):
        found = _container_trouble(status, name_of(pod))
        if found is not None:
            return found
    told = pod.get("status") or {}
    if told.get("phase") == "Failed":
        said = ": ".join(part for part in (told.get("reason"), told.get("message")) if part)
        return Sighting("PodFailed", f"pod {name_of(pod)} ended: {said or 'without a word'}")
    return None


def _container_trouble(status: Manifest, pod: str) -> Sighting | None:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting, end = state.get("waiting") or {}, state.get("terminated") or last.get("terminated") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in IMAGE:
        return Sighting("ImagePull", f"pod {pod} cannot get its image {status.get('image', '')}: {message or reason}")
    if reason in CONFIGURATION:
        return Sighting("PodConfiguration", f"pod {pod} cannot be started: {message or reason}")
    if end.get("reason") == "OOMKilled":
        return Sighting("OOMKilled", f"pod {pod} needed more memory than its limit: raise spec.worker.resources.limits.memory")
    if end.get("exitCode"):
        looping = ", again and again" if reason == "CrashLoopBackOff" else ""
        if end["exitCode"] == KILLED:  # not every runtime says why; its log ends in the middle
            said = f"pod {pod} was killed (exit code {KILLED}){looping}, most often for more memory than its limit"
            return Sighting("PodFailed", f"{said}: see kubectl describe pod {pod}, and raise spec.worker.resources.limits.memory")
        return Sighting("PodFailed", f"pod {pod} ended with exit code {end['exitCode']}{looping}: see kubectl logs {pod}")
    return None


def _killed(pod: Manifest) -> bool:
    return any(((s.get("state") or {}).get("terminated") or {}).get("reason") == "OOMKilled" for s in _containers(pod))


def _job_trouble(objects: Objects, work: str | None) -> Sighting | None:
    """How the newest Job failed, where no pod of it is left to ask."""
    current = (job for job in objects.jobs if work is None or annotations_of(job["spec"]["template"]).get(WORK_HASH_ANNOTATION) == work)
    job = next(current, None)
    failed = None if job is None else next((c for c in conditions_of(job) if c.get("type") == "Failed" and c.get("status") == "True"), None)
    if job is None or failed is None or any(controller_uid(pod) == uid_of(job) for pod in objects.pods):
        return None
    said = JOB_FAILURES.get(failed.get("reason", ""), failed.get("message", ""))
    return Sighting("JobFailed", f"job {name_of(job)}: {said}")


def _deployment_trouble(objects: Objects) -> Sighting | None:
    """Why a Deployment has no pod to ask: the API server refuses to make one."""
    for deployment in objects.deployments:
        for condition in conditions_of(deployment):
            if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
                return Sighting("PodsRefused", f"no pod can be made: {condition.get('message') or condition.get('reason', '')}")
    return None


def _current(pod: Manifest, work: str | None) -> bool:
    return work is None or annotations_of(pod).get(WORK_HASH_ANNOTATION) == work


def _containers(pod: Manifest) -> list[dict[str, Any]]:
    return (pod.get("status") or {}).get("containerStatuses") or []
