"""The whole status of a spec: conditions, lines, summary, publisher, pauses; and whether it is worth writing. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from perptape_api.status import CollectionStatus, Gaps, Pause, Publisher, Status, Summary
from perptape_operator import clock
from perptape_operator.checks import Due, Facts
from perptape_operator.conditions import conditions
from perptape_operator.report import Report

SOON_S: Final = 60.0
"""Counters alone are written at most so often."""
COUNTERS: Final = ("rows", "rowsEarlier", "watermark", "lastRun", "lastSuccess", "segments", "oldest", "lease", "until")
DIGITS: Final = re.compile(r"\d+")


def earlier(live: Mapping[str, Any]) -> Status:
    """The status that a resource has; an empty one where it has none that can be read."""
    try:
        return Status.model_validate(live.get("status") or {}, by_alias=True, by_name=False, extra="ignore")
    except ValidationError:
        return Status()


def status(
    facts: Facts, before: Status, wanted_since: str | None, publisher: Publisher | None, pauses: Mapping[str, int] | None = None
) -> Status:
    """The status that follows from the facts. `pauses`: venue -> end in ms, of venues of this spec."""
    lines = facts.lines
    return Status(
        observed_generation=facts.generation,
        wanted_since=wanted_since,
        conditions=conditions(facts, before.conditions),
        summary=summary(lines, facts.due),
        collections=lines,
        publisher=publisher,
        pauses=tuple(Pause(exchange=venue, until=clock.iso(end)) for venue, end in sorted((pauses or {}).items()) if end > facts.now),
    )


def summary(lines: Iterable[CollectionStatus], due: Mapping[tuple[str, str], Due]) -> Summary:
    """The columns of `kubectl get cspec`. The watermark is in cluster time, and absent while a collection has none."""
    listed = list(lines)
    venues = {line.exchange for line in listed}
    bad = {line.exchange for line in listed if line.state not in ("Ok", "Unsupported")}
    counted = [line for line in listed if line.state != "Unsupported"]
    marks = [
        None if (at := clock.ms(line.watermark)) is None else at - due.get((line.exchange, line.dataset), Due()).offset for line in counted
    ]
    least = min((mark for mark in marks if mark is not None), default=None) if None not in marks else None
    gaps = [line.gaps for line in counted if line.gaps is not None]
    return Summary(
        venues=f"{len(venues - bad)}/{len(venues)}",
        watermark=None if least is None else clock.iso(least),
        gaps=Gaps(open=sum(g.open for g in gaps), lost=sum(g.lost for g in gaps), unproven=sum(g.unproven for g in gaps)),
    )


def publisher(reports: Iterable[Report], before: Publisher | None) -> Publisher | None:
    """What the publisher's newest report says; what was known where there is none."""
    latest = next(iter(reports), None)
    if latest is None:
        return before
    folded, error = latest.publisher, latest.store_error
    if folded is None:
        known = before or Publisher()
        return known.model_copy(update={"last_run": clock.iso(latest.started), "error": error or _exit(latest)})
    return Publisher(
        last_run=clock.iso(latest.started),
        segments=folded.segments,
        oldest=None if folded.oldest is None else clock.iso(folded.oldest),
        lease=folded.lease[:128] or None,
        error=folded.error or error or _exit(latest),
    )


def _exit(run: Report) -> str | None:
    return f"the last run ended with exit code {run.exit}" if run.exit else None


def written(found: Status) -> dict[str, Any]:
    """The status as it is written."""
    return found.model_dump(mode="json", by_alias=True, exclude_none=True)


def differs(found: Status, before: Status) -> bool:
    return written(found) != written(before)


def differs_in_words(found: Status, before: Status) -> bool:
    """Whether more than counters changed: that is written at once."""
    return bool(_without_counters(written(found)) != _without_counters(written(before)))


def _without_counters(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _counted(key, inner) for key, inner in value.items() if key not in COUNTERS}
    return [_without_counters(item) for item in value] if isinstance(value, list) else value


def _counted(key: str, value: Any) -> Any:
    """Of gaps it counts at once whether there are any, and of a message its figures do not."""
    if key == "gaps" and isinstance(value, dict):
        return {kind: bool(count) for kind, count in value.items()}
    if key == "message":
        return DIGITS.sub("", value)
    return _without_counters(value)
