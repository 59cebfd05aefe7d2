"""One line of status for each dataset of each venue: what is known, joined with what was known before. Pure."""

from collections.abc import Sequence

from perptape_api.status import LONGEST_MESSAGE, CollectionStatus, Gaps, Instruments
from perptape_operator import clock
from perptape_operator.collectors import Collector
from perptape_operator.report import Collected, Report
from perptape_operator.verdicts import Evidence, verdict


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


def _known(collector: Collector, evidence: Evidence) -> CollectionStatus:
    """The previous line with the newest report's figures, not yet judged."""
    previous = evidence.previous
    fresh = CollectionStatus(exchange=collector.exchange, dataset=collector.dataset, state="Degraded", reason="NotYetRun")
    if previous is not None and previous.work_hash == collector.work:
        fresh = previous
    elif previous is not None:
        fresh = fresh.model_copy(update={"rows": previous.rows, "rows_earlier": previous.rows, "last_run": previous.last_run})
    if not evidence.seen.reports:
        return fresh
    if collector.form == "job":
        return _after_runs(collector, fresh, evidence.seen.reports, evidence.counted)
    return _of_those_that_stay(collector, fresh, evidence.seen.reports)


def _after_runs(
    collector: Collector, line: CollectionStatus, reports: Sequence[Report], counted: frozenset[str] | None
) -> CollectionStatus:
    """Each run is counted once; the one that started last says how things stand. `counted`: those that are; after a restart these are
    taken to be all that started no later than the one known."""
    since = clock.ms(line.last_run) or 0
    later = {one.run for one in reports if one.started // 1000 > since // 1000}
    unknown = [one for one in reports if (one.run in later if counted is None else one.run not in counted)]
    rows = sum(found.rows for one in unknown if (found := one.collected(*collector.key)) is not None)
    update: dict[str, object] = {"rows": (line.rows or 0) + rows}
    latest = reports[0]
    if latest.started // 1000 < since // 1000:
        return line.model_copy(update=update) if rows else line
    update["last_run"] = clock.iso(latest.started)
    successes = [one.finished for one in reports if one.exit == 0 and one.finished is not None]
    if successes:
        update["last_success"] = max(filter(None, (clock.iso(max(successes)), line.last_success)))
    found = latest.collected(*collector.key)
    return line.model_copy(update=update | (_figures(found) if found is not None else {}))


def _of_those_that_stay(collector: Collector, line: CollectionStatus, reports: Sequence[Report]) -> CollectionStatus:
    """Replicas see one tape: whose figures reach furthest says how it stands."""
    parts = [(one, part) for one in reports if (part := one.collected(*collector.key)) is not None]
    if not parts:
        return line
    furthest = max((part for _, part in parts), key=lambda part: part.watermark or 0)
    runs = [clock.iso(part.last_run or one.started) for one, part in parts]
    successes = [clock.iso(part.last_success) for _, part in parts if part.last_success is not None]
    update: dict[str, object] = {"last_run": max(filter(None, (*runs, line.last_run)))}
    if successes:
        update["last_success"] = max(filter(None, (*successes, line.last_success)))
    return line.model_copy(update=update | _rows(collector, line, [part.rows for _, part in parts]) | _figures(furthest))


def _rows(collector: Collector, line: CollectionStatus, counts: Sequence[int]) -> dict[str, object]:
    """A process counts from its start on, so that a smaller count than before is that of another process. Replicas of a stream count
    the same events: there the greatest stands."""
    known, earlier = line.rows or 0, line.rows_earlier or 0
    if collector.form == "stream":
        return {"rows": max(known, *counts)}
    if earlier + max(counts) < known:
        earlier = known
    return {"rows": earlier + max(counts), "rows_earlier": earlier or None}


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
