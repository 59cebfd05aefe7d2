"""What a check of a condition is, what all of them are made of, and the questions that several ask. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from perptape_api.status import CollectionStatus
from perptape_operator.verdicts import works

Truth = Literal["True", "False", "Unknown"]
DEFAULT_DELAY_MS: Final = 10 * 60_000


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
    claim_going: str = ""
    lines: tuple[CollectionStatus, ...] = ()
    due: dict[tuple[str, str], Due] = field(default_factory=dict)
    publisher: str = ""
    """What the publisher's last report says is wrong."""
    publisher_late: str = ""
    damage: str = ""
    """What the last check of the whole store found."""
    checked: str = ""
    """What the last check of the whole store said that found nothing wrong."""
    notes: tuple[str, ...] = ()
    """What is said beside everything else: ignored fields and reports, a claim that keeps its size."""


@dataclass(frozen=True, slots=True)
class Check:
    """One link of a chain: a reason, what it means, what to do, and a function from the facts to a message; None where it does not hold."""

    truth: Truth
    reason: str
    means: str
    do: str
    said: Callable[[Facts], str | None]


def joined(lines: Iterable[str], most: int = 3) -> str | None:
    """The first few, and how many more there are; None for none."""
    listed = list(lines)
    more = f"; and {len(listed) - most} more" if len(listed) > most else ""
    return "; ".join(listed[:most]) + more if listed else None


def name(line: CollectionStatus) -> str:
    return f"{line.exchange} {line.dataset}"


def told(line: CollectionStatus) -> str:
    return f"{name(line)}: {line.message or line.reason or line.state}"


def active(facts: Facts) -> list[CollectionStatus]:
    """The lines of what is to be collected now."""
    return [line for line in facts.lines if line.state not in ("Unsupported", "Suspended")]


def failing(facts: Facts) -> str | None:
    found = active(facts)
    return joined(map(told, found)) if found and all(line.state == "Failing" for line in found) else None


def degraded(facts: Facts) -> str | None:
    if not any(works(line) for line in facts.lines):
        return None
    return joined(told(line) for line in active(facts) if line.state != "Ok")


def pending(facts: Facts) -> str | None:
    return None if any(works(line) for line in facts.lines) else "no collection has reported yet"


def nothing(facts: Facts) -> str | None:
    return "no venue of this spec offers anything that it asks for" if facts.lines and not active(facts) else None


def suspended(facts: Facts) -> str | None:
    return "spec.suspend is true" if facts.suspended else None


UNJUDGED: Final = Check(
    "Unknown",
    "InvalidSpec",
    "The spec cannot be carried out as it stands, so that nothing can be held against it; its children go on as they were.",
    "correct the spec; the message names each field",
    lambda f: joined(f.faults),
)
"""First in every chain but that of Ready."""
