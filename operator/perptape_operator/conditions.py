"""Ready, Collecting, Complete and StoreReady: for each the first check that has something to say, in order. Pure.

A check is a reason, what it means, what to do, and a function from the facts to a message or None. The chains are the documentation.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from perptape_api.status import LONGEST_MESSAGE, CollectionStatus, Condition
from perptape_operator import clock
from perptape_operator.entries import works

Truth = Literal["True", "False", "Unknown"]
Type = Literal["Ready", "Collecting", "Complete", "StoreReady"]
STREAM_BEHIND_MS: Final = 5 * 60_000
DEFAULT_DELAY_MS: Final = 10 * 60_000

STORE_TROUBLE: Final = (
    "StoreUnusable",
    "StoreFull",
    "StoreCredentials",
    "StoreMissing",
    "ClaimMissing",
    "FormatConflict",
    "OriginConflict",
)
"""Reasons of a collection that are about its store."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is known of a collection's grid: how far behind now its last due edge was, and the clock's offset. Both in ms."""

    every: int | None = None
    delay: int = DEFAULT_DELAY_MS
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the conditions are made of."""

    now: int
    generation: int
    suspended: bool = False
    faults: tuple[str, ...] = ()
    other_operator: tuple[str, ...] = ()
    name_taken: tuple[str, ...] = ()
    forbidden: str = ""
    refused: str = ""
    waiting: tuple[str, ...] = ()
    nested_in: str = ""
    format_conflict: str = ""
    claim_missing: str = ""
    claim_pending: str = ""
    claim_lost: str = ""
    lines: tuple[CollectionStatus, ...] = ()
    due: dict[tuple[str, str], Due] = field(default_factory=dict)
    publisher: str = ""
    """What the publisher's last report says is wrong."""
    publisher_late: str = ""
    notes: tuple[str, ...] = ()
    """What is said beside everything else: ignored fields and reports, a claim that keeps its size."""


@dataclass(frozen=True, slots=True)
class Check:
    """One link of a chain."""

    truth: Truth
    reason: str
    means: str
    do: str
    said: Callable[[Facts], str | None]


def _joined(lines: Iterable[str], most: int = 3) -> str | None:
    listed = list(lines)
    more = f"; and {len(listed) - most} more" if len(listed) > most else ""
    return "; ".join(listed[:most]) + more if listed else None


def _name(line: CollectionStatus) -> str:
    return f"{line.exchange} {line.dataset}"


def _told(line: CollectionStatus) -> str:
    return f"{_name(line)}: {line.message or line.reason or line.state}"


def _active(facts: Facts) -> list[CollectionStatus]:
    return [line for line in facts.lines if line.state not in ("Unsupported", "Suspended")]


def _failing(facts: Facts) -> str | None:
    active = _active(facts)
    return _joined(map(_told, active)) if active and all(line.state == "Failing" for line in active) else None


def _degraded(facts: Facts) -> str | None:
    if not any(works(line) for line in facts.lines):
        return None
    return _joined(_told(line) for line in _active(facts) if line.state != "Ok")


def _pending(facts: Facts) -> str | None:
    return None if any(works(line) for line in facts.lines) else "no collection has reported yet"


def _nothing(facts: Facts) -> str | None:
    return "no venue of this spec offers anything that it asks for" if facts.lines and not _active(facts) else None


def _store(facts: Facts) -> str | None:
    return _joined({line.message or line.reason or "": None for line in facts.lines if line.reason in STORE_TROUBLE})


def _unstarted(facts: Facts) -> str | None:
    tried = any(works(line) or line.last_success for line in facts.lines)
    return None if tried else "no run has used the store yet"


def _gap(kind: Literal["open", "lost"], words: str) -> Callable[[Facts], str | None]:
    def said(facts: Facts) -> str | None:
        counted = [(line, getattr(line.gaps, kind)) for line in facts.lines if line.gaps is not None and getattr(line.gaps, kind)]
        return _joined(f"{_name(line)}: {count} {words}" for line, count in counted)

    return said


def behind(line: CollectionStatus, due: Due, now: int) -> bool:
    """Whether a watermark is further behind its grid's last due edge than two intervals; of a stream, five minutes behind now."""
    at = clock.ms(line.watermark)
    if at is None:
        return False
    lag = now + due.offset - at
    return lag > STREAM_BEHIND_MS if due.every is None else lag > due.delay + 2 * due.every


def _behind(facts: Facts) -> str | None:
    late = (line for line in _active(facts) if behind(line, facts.due.get((line.exchange, line.dataset), Due()), facts.now))
    return _joined(f"{_name(line)} is complete only up to {line.watermark}" for line in late)


def _unknown(facts: Facts) -> str | None:
    return _joined(f"{_name(line)} has not said up to when it is complete" for line in _active(facts) if line.watermark is None)


SPEC: Final = "correct the spec; the message names each field"
OWN: Final = "rename the spec, or remove the object named"
CHAINS: Final[dict[Type, tuple[Check, ...]]] = {
    "Ready": (
        Check("False", "InvalidSpec", "The spec cannot be carried out as it stands.", SPEC, lambda f: _joined(f.faults)),
        Check(
            "False",
            "OtherOperator",
            "Children of this spec belong to another operator (label perptape.io/operator).",
            "let one operator serve this namespace; to move a spec, remove the label from its children",
            lambda f: _joined(f.other_operator),
        ),
        Check("False", "NameTaken", "Somebody else's object has a child's name.", OWN, lambda f: _joined(f.name_taken)),
        Check(
            "False",
            "Forbidden",
            "The operator lacks a permission.",
            "grant the rule that the message names: upgrade the chart, or set rbac.create",
            lambda f: f.forbidden or None,
        ),
        Check(
            "False",
            "NestedStore",
            "The store lies inside another spec's store, or around it.",
            "make a new spec with another prefix",
            lambda f: f.nested_in or None,
        ),
        Check(
            "False",
            "FormatConflict",
            "The store is kept in another format.",
            "make a new spec with the store's format, or with another store",
            lambda f: f.format_conflict or None,
        ),
        Check("False", "ClaimMissing", "The volume claim is not there.", "make it, or name another", lambda f: f.claim_missing or None),
        Check(
            "False",
            "Refused",
            "The API server refuses a child.",
            "read the message: a quota or a policy of the cluster is the usual cause",
            lambda f: f.refused or None,
        ),
        Check(
            "False",
            "Waiting",
            "Objects of an earlier spec of this name are still going.",
            "nothing: it passes, or they are adopted",
            lambda f: _joined(f.waiting),
        ),
        Check(
            "False",
            "Suspended",
            "Nothing is collected, as asked.",
            "set spec.suspend to false",
            lambda f: "spec.suspend is true" if f.suspended else None,
        ),
        Check("False", "NotOffered", "No venue offers what is asked for.", "ask other venues or datasets", _nothing),
        Check("False", "Failing", "No collection works.", "see status.collections: each says why", _failing),
        Check("True", "Degraded", "At least one collection works, and at least one does not.", "see status.collections", _degraded),
        Check("False", "Starting", "Nothing has reported yet.", "wait for the first run", _pending),
        Check("True", "Collecting", "All that is asked for is being collected.", "", lambda f: "every collection works"),
    ),
    "Collecting": (
        Check("False", "Suspended", "Nothing is collected, as asked.", "set spec.suspend to false", lambda f: "" if f.suspended else None),
        Check("False", "NotOffered", "No venue offers what is asked for.", "ask other venues or datasets", _nothing),
        Check("False", "Failing", "No collection works.", "see status.collections", _failing),
        Check("Unknown", "Starting", "Nothing has reported yet.", "wait for the first run", _pending),
        Check("True", "Collecting", "At least one collection works.", "", lambda f: ""),
    ),
    "Complete": (
        Check(
            "False",
            "OpenGaps",
            "Something is missing that can still be had.",
            "wait: each run fills some",
            _gap("open", "open gaps"),
        ),
        Check(
            "False",
            "LostGaps",
            "Something is missing for good.",
            "see `perptape gaps`: it names the time and the reason",
            _gap("lost", "gaps lost"),
        ),
        Check("False", "Behind", "A collection is further behind than two of its intervals.", "see why it fails or is slow", _behind),
        Check("Unknown", "Unknown", "A collection has not said how far it is.", "wait for its first run", _unknown),
        Check("True", "Complete", "Everything wanted that is due is on the tape.", "", lambda f: ""),
    ),
    "StoreReady": (
        Check("False", "NestedStore", "The store lies inside another, or around it.", "use another prefix", lambda f: f.nested_in or None),
        Check("False", "FormatConflict", "The store is kept in another format.", "use its format", lambda f: f.format_conflict or None),
        Check("False", "ClaimMissing", "The volume claim is not there.", "make it", lambda f: f.claim_missing or None),
        Check("False", "ClaimLost", "The claim's volume is gone.", "restore it from a backup", lambda f: f.claim_lost or None),
        Check("False", "StoreUnusable", "Workers cannot use the store.", "do what the message says", _store),
        Check("False", "PublisherFailing", "Segments are not folded.", "see kubectl logs of the publisher", lambda f: f.publisher or None),
        Check(
            "False",
            "PublisherLate",
            "The publisher does not run.",
            "look at its CronJob; what is collected can be read meanwhile",
            lambda f: f.publisher_late or None,
        ),
        Check("Unknown", "ClaimPending", "The claim is not bound yet.", "see its events", lambda f: f.claim_pending or None),
        Check("Unknown", "NotYetUsed", "No run has used the store yet.", "wait for the first run", _unstarted),
        Check("True", "Usable", "Workers read and write the store.", "", lambda f: ""),
    ),
}


def conditions(facts: Facts, before: Iterable[Condition] = ()) -> tuple[Condition, ...]:
    """The four conditions. A condition whose status is as before keeps the time of its last transition."""
    known = {condition.type: condition for condition in before}
    return tuple(_condition(type_, chain, facts, known.get(type_)) for type_, chain in CHAINS.items())


def _condition(type_: Type, chain: tuple[Check, ...], facts: Facts, before: Condition | None) -> Condition:
    check, said = next((check, said) for check in chain if (said := check.said(facts)) is not None)
    if type_ == "Ready" and facts.notes:
        said = f"{said}; note: {'; '.join(facts.notes)}"
    since = before.last_transition_time if before is not None and before.status == check.truth else clock.iso(facts.now)
    return Condition(
        type=type_,
        status=check.truth,
        reason=check.reason,
        message=said if len(said) <= LONGEST_MESSAGE else said[: LONGEST_MESSAGE - 1] + "…",
        last_transition_time=since,
        observed_generation=facts.generation,
    )
