"""Complete: whether everything wanted that is due is on the tape. Pure."""

from collections.abc import Callable
from typing import Final, Literal

from perptape_api.status import CollectionStatus
from perptape_operator import clock
from perptape_operator.checks import UNJUDGED, Check, Due, Facts, active, joined, name, nothing, suspended

STREAM_BEHIND_MS: Final = 5 * 60_000


def behind(line: CollectionStatus, due: Due, now: int) -> bool:
    """Whether a watermark is further behind its grid's last due edge than two intervals; of a stream, five minutes behind now."""
    at = clock.ms(line.watermark)
    if at is None:
        return False
    lag = now + due.offset - at
    return lag > STREAM_BEHIND_MS if due.every is None else lag > due.delay + 2 * due.every


def _gap(kind: Literal["open", "lost"], words: str) -> Callable[[Facts], str | None]:
    def said(facts: Facts) -> str | None:
        counted = [(line, getattr(line.gaps, kind)) for line in facts.lines if line.gaps is not None and getattr(line.gaps, kind)]
        return joined(f"{name(line)}: {count} {words}" for line, count in counted)

    return said


def _behind(facts: Facts) -> str | None:
    late = (line for line in active(facts) if behind(line, facts.due.get((line.exchange, line.dataset), Due()), facts.now))
    return joined(f"{name(line)} is complete only up to {line.watermark}" for line in late)


def _unknown(facts: Facts) -> str | None:
    return joined(f"{name(line)} has not said up to when it is complete" for line in active(facts) if line.watermark is None)


COMPLETE: Final = (
    UNJUDGED,
    Check(
        "False",
        "OpenGaps",
        "Something is missing that the venue can still give.",
        "wait: each run fills some; `perptape gaps` names them",
        _gap("open", "open gaps"),
    ),
    Check(
        "False",
        "LostGaps",
        "Something that was due since the spec was made is missing for good.",
        "see `perptape gaps`: it names the time and the reason; only a new spec forgets it",
        _gap("lost", "gaps lost"),
    ),
    Check(
        "False",
        "Behind",
        "A collection is further behind than two of its intervals, a stream than five minutes.",
        "see in `status.collections` why it fails or is slow",
        _behind,
    ),
    Check(
        "Unknown", "Suspended", "Nothing is collected, as asked, and nothing is missing so far.", "set `spec.suspend` to false", suspended
    ),
    Check("Unknown", "NotOffered", "No venue offers what is asked for.", "ask other venues or datasets", nothing),
    Check("Unknown", "Unknown", "A collection has not said how far it is.", "wait for its first run", _unknown),
    Check("True", "Complete", "Everything wanted that is due is on the tape.", "nothing", lambda f: ""),
)
