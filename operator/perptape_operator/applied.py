"""What became of a plan, and what follows from it: obstacles, first runs, the event to post. Pure."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field

from perptape_api.names import CHILD_LABEL, FIRST_RUN_ANNOTATION, WORK_HASH_ANNOTATION
from perptape_api.status import Condition, Status
from perptape_operator import clock, manifests, naming, report, runs
from perptape_operator.gathered import Gathered
from perptape_operator.kinds import (
    CLAIM,
    COLLECTION,
    CONFIG_MAP,
    CRON_JOB,
    JOB,
    POD,
    Manifest,
    annotations_of,
    conditions_of,
    controller_uid,
    ended,
    kind_of,
    labels_of,
    name_of,
    uid_of,
)
from perptape_operator.plan import Plan, Ref, ref
from perptape_operator.report import Report

QUIET = ("Starting", "Suspended", "Waiting")
"""Reasons of not being ready that are no cause for a warning."""
HEARD_AFTER_MS = 60_000
LASTING_MS = 180_000
"""An API server that is away or busy for a while changes no status; what fails for longer is told."""


@dataclass(slots=True)
class Outcome:
    """What was found and met on the way."""

    waiting: tuple[str, ...] = ()
    name_taken: tuple[str, ...] = ()
    other_operator: tuple[str, ...] = ()
    forbidden: str = ""
    refused: str = ""
    notes: tuple[str, ...] = ()
    failed: bool = False
    """Whether what comes first could not be written: then nothing else is."""
    refused_refs: set[Ref] = field(default_factory=set)
    met: frozenset[Ref] = frozenset()
    """Objects that were to be made, and that are there."""
    trouble: Exception | None = None
    """The first request that failed, and may succeed another time."""
    first_job_goes: bool = False
    """Whether a first Job of an earlier spec is still there."""

    def note_plan(self, plan: Plan) -> None:
        words = {"collected": "of an earlier spec is still there"}
        self.waiting = tuple(f"{one.kind} {one.name} {words.get(one.ownership, 'is being deleted')}" for one in plan.waiting)
        for obstacle in plan.obstacles:
            named = f"{obstacle.kind} {obstacle.name}"
            if obstacle.ownership == "other":
                self.other_operator += (f"{named} belongs to another operator",)
            else:
                self.name_taken += (f"{named} is there and is not ours",)

    def refuse(self, manifest: Manifest, why: str, *, resize: bool = False) -> None:
        """The API server refuses an object as it is. A claim that cannot grow keeps its size, and all else goes on."""
        self.refused_refs.add(ref(manifest))
        self.failed = self.failed or kind_of(manifest) == CONFIG_MAP
        if resize:
            self.notes += (f"ResizeRefused: the claim keeps its size: {why}",)
            return
        self.refused = self.refused or why

    def fail(self, manifest: Manifest, why: Exception, *, there: bool) -> None:
        """A request failed that may succeed another time. The others get their turn, unless a ConfigMap or claim is still to be made."""
        self.trouble = self.trouble or why
        self.failed = self.failed or kind_of(manifest) == CONFIG_MAP or (kind_of(manifest) == CLAIM and not there)

    def meet(self, manifest: Manifest, why: Exception) -> None:
        """There is something of the name: what it is must be read first."""
        self.met |= {ref(manifest)}
        self.fail(manifest, why, there=False)

    def lasts(self, failing_ms: int) -> None:
        """Requests have failed for so long."""
        if failing_ms >= LASTING_MS:
            self.refused = self.refused or str(self.trouble)


@dataclass(frozen=True, slots=True)
class FirstRun:
    """A Job to make, None where it is there; then the mark on its CronJob."""

    job: Manifest | None
    mark: Manifest


def first_runs(found: Gathered, blocked: Set[Ref]) -> Iterator[FirstRun]:
    """The CronJobs whose present work was never started at once."""
    if found.home is None or found.suspended or found.conflict is not None:
        return
    for collector in found.made:
        at = (CRON_JOB.name, collector.name)
        live, planned = found.live.get(at), found.planned.get(at)
        if collector.form != "job" or live is None or planned is None or at in blocked:
            continue
        if annotations_of(live).get(FIRST_RUN_ANNOTATION) == collector.work:
            continue
        job = manifests.first_job(found.home, planned, collector.work)
        there = found.live.get(ref(job))
        stays = there is not None and not goes(there, found)
        yield FirstRun(None if stays else job, manifests.first_run_mark(planned, collector.work))


def goes(job: Manifest, found: Gathered) -> bool:
    """Whether a Job is about to vanish: it is being deleted, or it is of an earlier spec of this name."""
    return found.mine.loses(job)


def is_first_job(job: Manifest, found: Gathered) -> bool:
    """Whether a Job is one that we made: owned by the spec, not by a CronJob."""
    return found.home is not None and controller_uid(job) == found.home.uid


def unwanted_first_job(job: Manifest, found: Gathered) -> bool:
    """Whether a first Job's work is wanted no more; one that runs ends by itself when only its details changed."""
    if not is_first_job(job, found):
        return False
    work = {collector.child: collector.work for collector in found.made if collector.form == "job"}
    current = work.get(labels_of(job).get(CHILD_LABEL, ""))
    return current is None or (runs.finished(job) and annotations_of(job).get(WORK_HASH_ANNOTATION) != current)


def heard(job: Manifest, found: Gathered) -> bool:
    """Whether all that can be learnt of a finished Job was there when the status was made."""
    if any(map(ended, _pods_of(job, found))):
        return True
    end = max((clock.ms(condition.get("lastTransitionTime")) or 0 for condition in conditions_of(job)), default=0)
    return found.now - end > HEARD_AFTER_MS


def spent(job: Manifest, found: Gathered) -> bool:
    """Whether what a finished first Job says stays in status without it: it went well, or left a report. What is only seen of one that
    failed without a word is seen as long as it is there: until a later run of the same work is over."""
    if any(one.get("type") == "Complete" and one.get("status") == "True" for one in conditions_of(job)):
        return True
    last = ((pod, said) for pod in _pods_of(job, found) for said in _last_words(pod))
    if any(isinstance(report.read(said, name_of(pod), found.now), Report) for pod, said in last):
        return True
    made, child = _made(job), labels_of(job).get(CHILD_LABEL)
    others = (one for at, one in found.live.items() if at[0] == JOB.name and labels_of(one).get(CHILD_LABEL) == child)
    return any(_made(one) > made and runs.finished(one) for one in others)


def _pods_of(job: Manifest, found: Gathered) -> list[Manifest]:
    return [pod for at, pod in found.live.items() if at[0] == POD.name and controller_uid(pod) == uid_of(job)]


def _made(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("creationTimestamp") or "")


def _last_words(pod: Manifest) -> Iterator[str]:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if message := ((container.get("state") or {}).get("terminated") or {}).get("message"):
            yield message


def reported(live: Iterable[Manifest]) -> frozenset[str]:
    """The names of the pods that ended: what there was to count of them is counted."""
    pods = ((pod, (pod.get("status") or {}).get("containerStatuses") or []) for pod in live if pod["kind"] == POD.name)
    return frozenset(name_of(pod) for pod, containers in pods if any((one.get("state") or {}).get("terminated") for one in containers))


def event(collection: Manifest, before: Status, told: Status, now: int) -> Manifest | None:
    """The event for a transition of Ready; None where there was none: what a new spec begins with is one only when it is trouble."""
    was, is_ = _ready(before), _ready(told)
    if is_ is None or (was is not None and (was.status, was.reason) == (is_.status, is_.reason)):
        return None
    quiet = is_.status == "True" or is_.reason in QUIET
    if was is None and quiet:
        return None
    metadata = collection["metadata"]
    about = {"apiVersion": COLLECTION.api_version, "kind": COLLECTION.name, "name": metadata["name"], "namespace": metadata["namespace"]}
    when = clock.iso(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
        "involvedObject": {**about, "uid": uid_of(collection)},
        "type": "Normal" if quiet else "Warning",
        "reason": is_.reason,
        "message": is_.message,
        "firstTimestamp": when,
        "lastTimestamp": when,
        "count": 1,
        "source": {"component": naming.MANAGED_BY},
        "reportingComponent": naming.MANAGED_BY,
    }


def _ready(status: Status) -> Condition | None:
    return next((condition for condition in status.conditions if condition.type == "Ready"), None)
