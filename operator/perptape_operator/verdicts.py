"""How a collection goes: what is wrong first, then what was reported, then what was known. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from perptape_api.status import CollectionStatus, State
from perptape_operator import clock, reasons
from perptape_operator.collectors import Collector
from perptape_operator.observed import Seen
from perptape_operator.reasons import FROM_SIGHT, Reason, Sighting, of_store
from perptape_operator.report import Collected, Report

UNPROVEN: Final[tuple[Reason, ...]] = ("NotYetRun", "Progressing", "Running", "Waiting")
"""Reasons of what has not obtained anything yet, or not again."""

Redundancy = Literal["none", "connection", "node"]
Verdict = tuple[State, Reason, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about a collector now. `wanted`: pods that should run, 0 for Jobs; `counted`: runs whose rows are known, where
    that is."""

    seen: Seen
    previous: CollectionStatus | None = None
    suspended: bool = False
    blocked: str = ""
    missed: Sighting | None = None
    wanted: int = 0
    redundancy: Redundancy | None = None
    counted: frozenset[str] | None = None


def works(line: CollectionStatus) -> bool:
    """Whether a collection obtains something."""
    return line.state == "Ok" or (line.state == "Degraded" and line.reason not in UNPROVEN)


def verdict(collector: Collector, evidence: Evidence, known: CollectionStatus) -> Verdict:
    """The state, the reason and the sentence. `known`: the line so far, with the newest report's figures."""
    seen = evidence.seen
    if evidence.suspended:
        return "Suspended", "Suspended", "spec.suspend is true: nothing is collected"
    if evidence.blocked:
        return "Failing", "Blocked", evidence.blocked
    if seen.trouble is not None and not seen.ready:
        return "Failing", seen.trouble.reason, seen.trouble.message
    if evidence.missed is not None:
        return "Failing", evidence.missed.reason, evidence.missed.message
    if collector.form != "job":
        return _staying(collector, evidence, known)
    if seen.unanswered is not None:
        return "Failing", seen.unanswered.reason, seen.unanswered.message
    if seen.reports and clock.ms(known.last_run) == seen.reports[0].started // 1000 * 1000:
        return reported(seen.reports[0], seen.reports[0].collected(*collector.key))
    begun = seen.running or seen.placing
    if begun is not None and known.reason in (None, *UNPROVEN):
        return "Degraded", begun.reason, begun.message
    return _as_known(known, "no run has reported yet", "the next run will tell")


def _as_known(known: CollectionStatus, untried: str, passed: str) -> Verdict:
    """What was said before goes on being so; what was only seen does not."""
    if known.reason is None or (known.reason in UNPROVEN and known.last_run is None):
        return "Degraded", "NotYetRun", untried
    reason = reasons.known(known.reason)
    if reason is None or reason == "Waiting" or reason in FROM_SIGHT:
        return "Degraded", "Waiting", passed
    return known.state, reason, known.message or ""


def _staying(collector: Collector, evidence: Evidence, known: CollectionStatus) -> Verdict:
    """A stream or a resident collector: as good as its pods."""
    seen = evidence.seen
    told = [reported(one, part) for one in seen.reports if _begun(collector, one, part := one.collected(*collector.key))]
    worst = next((one for one in told if one[0] == "Failing"), None)
    if seen.ready == 0:
        if worst is not None:
            return worst
        if seen.unanswered is not None:
            return "Failing", seen.unanswered.reason, seen.unanswered.message
        why = "no pod is ready: see kubectl describe and logs of its pods"
        new = known.reason in (None, *UNPROVEN) or known.reason in FROM_SIGHT
        if new and seen.placing is not None:
            return "Degraded", seen.placing.reason, seen.placing.message
        return ("Degraded", "NotYetRun", why) if new else ("Failing", "NotReady", why)
    if seen.ready < evidence.wanted:
        cause = seen.trouble or seen.placing
        trouble = f": {cause.message}" if cause is not None else ""
        return "Degraded", "ReplicaMissing", f"{seen.ready} of {evidence.wanted} pods are ready{trouble}"
    if seen.unanswered is not None and (not told or collector.form == "resident"):
        return "Failing", seen.unanswered.reason, seen.unanswered.message
    if not told:
        unheard = "its pods are ready, and have not told the operator that they obtained anything: it asks them every 20 s"
        return _as_known(known, unheard, unheard)
    if worst is not None and all(one[0] == "Failing" for one in told):
        return worst
    behind = next((one for one in told if one[0] != "Ok"), None)
    if behind is not None:
        return ("Unsupported", *behind[1:]) if behind[0] == "Unsupported" else ("Degraded", *behind[1:])
    if seen.rollout is not None:
        return "Degraded", seen.rollout.reason, f"{seen.rollout.message}; the pods before it go on"
    if seen.restarted is not None:
        return "Degraded", seen.restarted.reason, seen.restarted.message
    return next((one for one in told if one[1] != "Collecting"), told[0])


def _begun(collector: Collector, run: Report, part: Collected | None) -> bool:
    """Whether a report is about something done: a resident that has not fetched yet says nothing."""
    if collector.form != "resident" or part is None or run.store_error or part.error:
        return True
    return part.last_run is not None


def reported(run: Report, part: Collected | None) -> Verdict:
    """What a report comes to."""
    if run.store_error:
        return "Failing", of_store(run.store_reason), run.store_error
    if part is None:
        said = run.notes[0] if run.notes else f"the run ended with exit code {run.exit} and said nothing about this"
        return ("Failing", "ConfigurationRefused" if run.exit == 2 else "RunFailed", said)
    if part.unsupported:
        return "Unsupported", "NotOffered", part.unsupported
    if run.exit == 2:
        return "Failing", "ConfigurationRefused", part.error or (run.notes[0] if run.notes else "the run ended with exit code 2")
    trouble = part.error or (part.failed[0] if part.failed else "")
    if part.state == "failed":
        return "Failing", "NothingObtained", trouble
    if trouble:
        more = f" (and {len(part.failed) - 1} more)" if len(part.failed) > 1 else ""
        return "Degraded", "SomeFailed", trouble + more
    if part.remaining:
        return "Ok", "CatchingUp", f"{part.remaining} windows of the past remain; the next runs go on"
    return "Ok", "Collecting", ""
