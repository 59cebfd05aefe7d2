"""One line of status for each dataset of each venue: what is known, joined with what was known before. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from perptape_api.status import LONGEST_MESSAGE, CollectionStatus, Gaps, Instruments, State
from perptape_operator import clock
from perptape_operator.collectors import Collector
from perptape_operator.observed import Seen, Sighting
from perptape_operator.report import Collected, Report

UNTRIED: Final = "NotYetRun"
FROM_SIGHT: Final = ("ImagePull", "PodConfiguration", "OOMKilled", "PodFailed", "JobFailed", "Unschedulable", "ClaimMissing", "MissedRuns")
"""Reasons that go with what was seen; those of reports stay until the next report."""

Redundancy = Literal["none", "connection", "node"]
Verdict = tuple[State, str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about a collector now. `wanted`: pods that should run, 0 for Jobs."""

    seen: Seen
    previous: CollectionStatus | None = None
    suspended: bool = False
    blocked: str = ""
    missed: Sighting | None = None
    wanted: int = 0
    redundancy: Redundancy | None = None


def entry(collector: Collector, evidence: Evidence) -> CollectionStatus:
    """The line of a collector."""
    base = CollectionStatus(
        exchange=collector.exchange, dataset=collector.dataset, child=collector.shown, state="Unsupported", schedule=collector.timing
    )
    if collector.unsupported:
        return base.model_copy(update={"reason": "NotOffered", "message": collector.unsupported})
    known = _known(collector, evidence)
    state, reason, message = verdict(collector, evidence, known)
    return known.model_copy(
        update={
            "child": collector.shown,
            "schedule": collector.timing,
            "redundancy": evidence.redundancy,
            "state": state,
            "reason": reason,
            "message": message[:LONGEST_MESSAGE] or None,
            "work_hash": collector.work,
        }
    )


def works(line: CollectionStatus) -> bool:
    """Whether a collection obtains something."""
    return line.state == "Ok" or (line.state == "Degraded" and line.reason != UNTRIED)


def _known(collector: Collector, evidence: Evidence) -> CollectionStatus:
    """The previous line with the newest report's figures, not yet judged."""
    previous = evidence.previous
    fresh = CollectionStatus(exchange=collector.exchange, dataset=collector.dataset, state="Degraded", reason=UNTRIED)
    if previous is not None and previous.work_hash == collector.work:
        fresh = previous
    elif previous is not None:
        fresh = fresh.model_copy(update={"rows": previous.rows})
    if not evidence.seen.reports:
        return fresh
    if collector.form == "job":
        return _after_runs(collector, fresh, evidence.seen.reports)
    return _united(collector, fresh, evidence.seen.reports)


def _after_runs(collector: Collector, line: CollectionStatus, reports: Sequence[Report]) -> CollectionStatus:
    """Runs that started after the one known are counted once each; the last of them says how things stand."""
    since = clock.ms(line.last_run) or 0
    unknown = [one for one in reports if one.started // 1000 > since // 1000]
    rows = sum(found.rows for one in unknown if (found := one.collected(*collector.key)) is not None)
    update: dict[str, object] = {"rows": (line.rows or 0) + rows}
    latest = reports[0]
    if latest.started // 1000 < since // 1000:
        return line
    update["last_run"] = clock.iso(latest.started)
    successes = [one.finished for one in reports if one.exit == 0 and one.finished is not None]
    if successes:
        update["last_success"] = max(filter(None, (clock.iso(max(successes)), line.last_success)))
    found = latest.collected(*collector.key)
    return line.model_copy(update=update | (_figures(found) if found is not None else {}))


def _united(collector: Collector, line: CollectionStatus, reports: Sequence[Report]) -> CollectionStatus:
    """Replicas see one tape: whose figures reach furthest says how it stands."""
    found = [part for one in reports if (part := one.collected(*collector.key)) is not None]
    if not found:
        return line
    furthest = max(found, key=lambda part: part.watermark or 0)
    rows = max(line.rows or 0, *(part.rows for part in found))
    return line.model_copy(update={"rows": rows, **_figures(furthest)})


def _figures(found: Collected) -> dict[str, object]:
    update: dict[str, object] = {}
    if found.watermark is not None:
        update["watermark"] = clock.iso(found.watermark)
    if found.gaps is not None:
        update["gaps"] = Gaps(open=found.gaps.open, lost=found.gaps.lost, unproven=found.gaps.unproven)
    if found.symbols is not None:
        counts = found.symbols
        examples = tuple(text[:160] for text in counts.examples[:5])
        update["instruments"] = Instruments(
            wanted=counts.wanted, collected=counts.collected, substituted=counts.substituted, skipped=counts.skipped, examples=examples
        )
    return update


def verdict(collector: Collector, evidence: Evidence, known: CollectionStatus) -> Verdict:
    """How a collection goes: what is wrong first, then what was reported, then what was known."""
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
        return _staying(collector, evidence)
    if seen.reports and clock.ms(known.last_run) == seen.reports[0].started // 1000 * 1000:
        return reported(seen.reports[0], seen.reports[0].collected(*collector.key))
    if known.last_run is None or known.reason is None or known.reason == UNTRIED:
        return "Degraded", UNTRIED, "no run has reported yet"
    if known.reason in (*FROM_SIGHT, "Suspended", "Blocked"):
        return "Degraded", "Waiting", "the next run will tell"
    return known.state, known.reason, known.message or ""


def _staying(collector: Collector, evidence: Evidence) -> Verdict:
    """A stream or a resident collector: as good as its pods."""
    seen = evidence.seen
    parts = [(one, one.collected(*collector.key)) for one in seen.reports]
    told = [reported(one, part) for one, part in parts]
    worst = next((one for one in told if one[0] == "Failing"), None)
    if seen.ready == 0:
        if worst is not None:
            return worst
        reason = UNTRIED if evidence.previous is None or evidence.previous.reason == UNTRIED else "NotReady"
        return ("Degraded" if reason == UNTRIED else "Failing"), reason, "no pod is ready: see kubectl describe and logs of its pods"
    if seen.ready < evidence.wanted:
        why = f": {seen.trouble.message}" if seen.trouble is not None else ""
        return "Degraded", "ReplicaMissing", f"{seen.ready} of {evidence.wanted} pods are ready{why}"
    if worst is not None and len(told) == 1:
        return worst
    behind = next((one for one in told if one[0] != "Ok"), None)
    return ("Degraded", behind[1], behind[2]) if behind is not None else ("Ok", "Collecting", "")


def reported(run: Report, part: Collected | None) -> Verdict:
    """What a report comes to."""
    if run.store_error:
        return "Failing", run.store_reason or "StoreUnusable", run.store_error
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
