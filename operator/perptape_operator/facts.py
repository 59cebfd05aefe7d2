"""From what was gathered and what became of the plan to the status: the facts, once, for every line and condition. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from perptape_api.collect import Liquidations
from perptape_api.durations import Every
from perptape_api.status import CollectionStatus, Status
from perptape_operator import clock, naming, observed, runs, standing
from perptape_operator.applied import Outcome
from perptape_operator.checks import DEFAULT_DELAY_MS, Due, Facts, joined
from perptape_operator.collectors import Collector
from perptape_operator.entries import entry
from perptape_operator.gathered import Gathered
from perptape_operator.kinds import CRON_JOB
from perptape_operator.observed import Seen
from perptape_operator.plan import dying
from perptape_operator.reasons import Sighting
from perptape_operator.report import Disbelieved, Report
from perptape_operator.verdicts import Evidence, Redundancy
from perptape_operator.wanted import shrinking

SETTLEMENT_MS = 8 * 3_600_000
"""The longest usual time between two fundings: what is due is known no better until a report says."""
CHORES = (naming.PUBLISH, naming.VERIFY)
Told = Mapping[str, Report | Disbelieved]
Key = tuple[str, str]


def told(
    found: Gathered,
    outcome: Outcome,
    before: Status,
    live: Told,
    unanswered: Mapping[Key, str],
    pauses: Mapping[str, int],
    due: Mapping[Key, Due],
    now: int,
) -> tuple[Status, dict[Key, Due]]:
    """The status, and what is known now of when things are due. `live`: reports of pods that stay, by UID; `unanswered`: by namespace and
    name of a pod, why its venue does not answer it."""
    if found.home is None:
        facts = Facts(now, found.generation, faults=found.faults, lines=before.collections)
        ends = {one.exchange: max(pauses.get(one.exchange, 0), clock.ms(one.until) or 0) for one in before.pauses}
        return standing.status(facts, before, found.wanted_since, before.publisher, ends), dict(due)
    seen: dict[Key, Seen] = {one.key: _seen(one, found, live, unanswered, now) for one in found.made}
    known: dict[Key, CollectionStatus] = {(line.exchange, line.dataset): line for line in before.collections}
    lines = tuple(_line(one, seen[one.key], known.get(one.key), found, now) for one in found.made)
    dues = {one.key: _due(one, seen[one.key], due.get(one.key)) for one in found.made}
    folding, checking = (observed.seen(observed.of_child(chore, found.live.values(), {}), None, now) for chore in CHORES)
    publisher = standing.publisher(folding.reports, before.publisher)
    disbelieved = [one for part in (*seen.values(), folding, checking) for one in part.disbelieved]
    trouble, claim = _claim(found)
    facts = Facts(
        now,
        _observed(found, outcome, before),
        suspended=found.suspended,
        other_operator=outcome.other_operator,
        name_taken=outcome.name_taken,
        forbidden=outcome.forbidden,
        refused=outcome.refused,
        waiting=outcome.waiting,
        nested_in=found.conflict.message if found.conflict is not None and found.conflict.kind == "nested" else "",
        format_conflict=found.conflict.message if found.conflict is not None and found.conflict.kind == "format" else "",
        claim_missing=claim if trouble == "missing" else "",
        claim_pending=claim if trouble == "pending" else "",
        claim_lost=claim if trouble == "lost" else "",
        claim_going=claim if trouble == "going" else "",
        lines=lines,
        due=dues,
        publisher=folding.trouble.message if folding.trouble is not None else publisher.error or "" if publisher is not None else "",
        publisher_late=_publisher_late(found, now),
        damage=_damage(checking),
        checked=_checked(checking),
        notes=_notes(found, outcome, disbelieved),
    )
    mine = {venue.exchange for venue in found.home.spec.venues}
    ends = {venue: end for venue, end in pauses.items() if venue in mine}
    for (venue, _), part in seen.items():  # a pod speaks of the venue that it asks
        ends[venue] = max([ends.get(venue, 0), *(one.until for run in part.reports for one in run.pauses if one.venue == venue)])
    return standing.status(facts, before, found.wanted_since, publisher, ends), dues


def _observed(found: Gathered, outcome: Outcome, before: Status) -> int:
    """The generation that the status is about: the one before, while requests fail and nothing is said of that yet."""
    unfinished = outcome.trouble is not None and not outcome.refused
    return before.observed_generation or found.generation if unfinished else found.generation


def _seen(collector: Collector, found: Gathered, live: Told, unanswered: Mapping[Key, str], now: int) -> Seen:
    return observed.seen(observed.of_child(collector.child, found.live.values(), live, unanswered), collector.work, now)


def _line(collector: Collector, seen: Seen, previous: CollectionStatus | None, found: Gathered, now: int) -> CollectionStatus:
    """A run that was told to end before it asked anything says nothing of the collection, and takes nothing back."""
    assert found.home is not None
    missed = None
    if collector.form == "job" and collector.every is not None:
        missed = _missed(found, collector.name, collector.every, now)
    wanted = found.home.spec.wanted()[collector.dataset]
    replicas = wanted.replicas if isinstance(wanted, Liquidations) else 1
    redundancy: Redundancy | None = None
    if collector.form == "stream":
        redundancy = "none" if replicas == 1 else "connection" if found.home.single_node else "node"
    return entry(
        collector,
        Evidence(
            replace(seen, reports=tuple(one for one in seen.reports if one.tells(*collector.key))),
            previous,
            suspended=found.suspended,
            blocked=found.conflict.message if found.conflict is not None else "",
            missed=missed,
            wanted=0 if collector.form == "job" else replicas,
            redundancy=redundancy,
            counted=found.counted,
        ),
    )


def _due(collector: Collector, seen: Seen, known: Due | None) -> Due:
    """When the collection's grid is due, by the newest report that says so."""
    every = None if collector.every is None else collector.every.ms
    for run in seen.reports:
        part = run.collected(*collector.key)
        if part is not None:
            offset, at = part.offset, run.finished or part.last_run
            if part.due is not None and at is not None:
                return Due(every, max(0, at + offset - part.due), offset)
            return Due(every, _usual_delay(collector) if known is None else known.delay, offset)
    return known or Due(every, _usual_delay(collector))


def _usual_delay(collector: Collector) -> int:
    return DEFAULT_DELAY_MS + (SETTLEMENT_MS if collector.dataset == "funding" else 0)


def _claim(found: Gathered) -> tuple[str, str]:
    """What is wrong with the volume claim: missing, going, lost or pending, and the sentence."""
    assert found.home is not None
    name, volume = found.home.claim, found.home.spec.store.persistent_volume_claim
    if name is None or volume is None:
        return "", ""
    if found.claim is None:
        said = f"the claim {name} is not in namespace {found.key.namespace}: make it, or name another in a new spec"
        return ("", "") if volume.claim_name is None else ("missing", said)
    if dying(found.claim):
        return "going", f"the claim {name} is being deleted, and is gone as soon as no pod uses it"
    phase = (found.claim.get("status") or {}).get("phase")
    if phase == "Lost":
        return "lost", f"the volume of claim {name} is gone"
    return ("pending", f"the claim {name} is not bound to a volume yet") if phase == "Pending" else ("", "")


def _damage(checking: Seen) -> str:
    """What is wrong by the newest check of the whole store: it did not end, or it says so itself."""
    if checking.trouble is not None:
        return checking.trouble.message
    latest = next(iter(checking.reports), None)
    if latest is None or latest.exit == 0:
        return ""
    return latest.store_error or joined(latest.notes) or f"the check ended with exit code {latest.exit}"


def _checked(checking: Seen) -> str:
    """What the newest check of the whole store said, where it found nothing wrong."""
    latest = next(iter(checking.reports), None)
    return "" if latest is None or latest.exit else joined(latest.notes) or ""


def _publisher_late(found: Gathered, now: int) -> str:
    assert found.home is not None
    missed = _missed(found, naming.child_name(found.key.name, naming.PUBLISH), found.home.spec.store.published_every, now)
    return "" if missed is None else missed.message


def _missed(found: Gathered, name: str, every: Every, now: int) -> Sighting | None:
    """Of a CronJob that was just resumed, or whose schedule was just changed, the last run was long ago by right."""
    at = (CRON_JOB.name, name)
    since = max(clock.ms(found.wanted_since) or 0, found.written.get(at, 0))
    return runs.missed_runs(found.live.get(at), every.ms, now, since)


def _notes(found: Gathered, outcome: Outcome, disbelieved: list[Disbelieved]) -> tuple[str, ...]:
    assert found.home is not None
    notes = list(outcome.notes)
    if found.ignored:
        notes.append(f"fields that this operator does not know are ignored: {', '.join(found.ignored[:5])}")
    shrunk = shrinking(found.home.spec, found.claim)
    if shrunk is not None:
        notes.append(shrunk)
    notes += [f"the report of pod {one.pod} is ignored: it {one.why}" for one in disbelieved[:3]]
    return tuple(notes)
