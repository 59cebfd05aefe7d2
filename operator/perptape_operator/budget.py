"""How the pods that run now share what a venue allows one address, and how a pause reaches them all.

Pure: `answered` is the whole decision. All sizes are parts of the venue's limit, so that nobody here knows a venue's units, and a pause
is told by its length, so that no two clocks are compared. What is granted never sums to more than the operator's part: a newcomer gets
what is free, and its fair share when the others have been told of theirs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

POLL_S: Final = 2.0
FLOOR: Final = 0.1
"""This part of everything is divided evenly, so that no pod starves."""
SILENT_S: Final = 60.0
"""A pod that says nothing for so long is taken to be gone: longer than a venue's window."""
LEARNING_S: Final = 10.0
"""So long after its start an operator asks what pods hold before it grants anything."""
LONGEST_PAUSE_S: Final = 3 * 86_400.0
LEAST_PAUSE_S: Final = 5.0
"""After a 429 without a Retry-After."""
BAN_S: Final = 120.0
"""After a 418 without one."""
EASED: Final = 0.5
EASE_STEP_S: Final = 60.0
LEAST_EASE: Final = 0.125
TINY: Final = 1e-9

Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_PAUSE_S, allow_inf_nan=False)]


class Post(BaseModel):
    """What a pod posts every two seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    held: Part = 0.0
    """The share that it acts on now."""
    fresh: Part = 1.0
    """The part of the limit that it could use for data that is due."""
    backfill: Part = 1.0
    """And for the past."""
    used: Part = 0.0
    """What it used of the limit in the last minute."""
    refused: Annotated[int, Field(ge=400, le=599)] | None = None
    """429 or 418, when the venue said so since the last post."""
    pause_s: Seconds = 0.0
    """How long it knows that the venue must not be asked."""
    trouble: Annotated[str, Field(max_length=300)] = ""
    """Why the venue has answered no call for a while; nothing when it does."""


class Answer(BaseModel):
    """What it is told."""

    share: float
    pause_s: float
    wait: bool
    """Ask nothing yet: there is no share, or a pause."""
    poll_s: float = POLL_S


@dataclass(frozen=True, slots=True)
class Holder:
    """A pod, by what it was granted and what it wants."""

    granted: float = 0.0
    fresh: float = 1.0
    backfill: float = 1.0
    used: float = 0.0
    heard: float = 0.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """One venue's state. Times in seconds on a clock that only goes forward."""

    holders: Mapping[str, Holder] = field(default_factory=dict)
    paused_until: float = 0.0
    eased_at: float | None = None
    """When a 429 last came; what is granted is halved then and grows back."""
    eased_to: float = 1.0
    refusals: int = 0


def answered(
    ledger: Ledger, pod: str, post: Post, now: float, *, alive: Collection[str] | None, fraction: float, since_start: float
) -> tuple[Ledger, Answer]:
    """The ledger after a post, and the answer to it. `alive`: pods that exist, None where that is not known."""
    ledger = told(ledger, pod, post, now)
    holders = {
        name: holder
        for name, holder in ledger.holders.items()
        if name == pod or (now - holder.heard <= SILENT_S and (alive is None or name in alive))
    }
    learning = since_start < LEARNING_S
    paused = ledger.paused_until > now
    total = fraction * ease(ledger, now)
    mine = holders[pod]
    if not learning:
        due = shares({name: (holder.fresh, holder.backfill) for name, holder in holders.items()}, total)[pod]
        free = total - sum(holder.granted for name, holder in holders.items() if name != pod)
        mine = replace(mine, granted=max(0.0, min(due, free)))
        holders[pod] = mine
    ledger = replace(ledger, holders=holders)
    wait = learning or paused or mine.granted <= TINY
    return ledger, Answer(share=mine.granted, pause_s=max(0.0, ledger.paused_until - now), wait=wait)


def told(ledger: Ledger, pod: str, post: Post, now: float) -> Ledger:
    """The ledger after what a pod says: a refusal counts before everything else, and what it holds is what it was granted."""
    before = ledger.holders.get(pod)
    granted = min(post.held, 1.0) if before is None else before.granted
    holder = Holder(granted, post.fresh, post.backfill, post.used, now)
    until = max(ledger.paused_until, now + post.pause_s)
    eased_at, eased_to, refusals = ledger.eased_at, ledger.eased_to, ledger.refusals
    if post.refused in (418, 429):
        least = BAN_S if post.refused == 418 else LEAST_PAUSE_S
        until = max(until, now + (post.pause_s or least))
        refusals += 1
        if eased_at is None or now - eased_at > LEAST_PAUSE_S:  # one refusal told by many is one
            eased_to, eased_at = max(LEAST_EASE, ease(ledger, now) * EASED), now
    return Ledger({**ledger.holders, pod: holder}, until, eased_at, eased_to, refusals)


def ease(ledger: Ledger, now: float) -> float:
    """The part of the limit that is used after refusals: doubled every minute until it is whole again."""
    if ledger.eased_at is None:
        return 1.0
    return min(1.0, ledger.eased_to * 2.0 ** int((now - ledger.eased_at) / EASE_STEP_S))


def shares(wants: Mapping[str, tuple[float, float]], total: float) -> dict[str, float]:
    """`total` divided: a floor for each, then what is fresh, then the past, each as evenly as wants allow; the rest is for all alike."""
    if not wants:
        return {}
    floor = total * FLOOR / len(wants)
    found = dict.fromkeys(wants, floor)
    left = total - floor * len(wants)
    for past in (0.0, 1.0):
        asked = {name: max(0.0, fresh + past * backfill - found[name]) for name, (fresh, backfill) in wants.items()}
        for name, part in evenly(asked, left).items():
            found[name] += part
            left -= part
    spare = max(0.0, left) / len(wants)
    return {name: part + spare for name, part in found.items()}


def evenly(asked: Mapping[str, float], total: float) -> dict[str, float]:
    """As much for everyone as they ask, and where that is too much the same for all who ask more."""
    found: dict[str, float] = {}
    left, names = max(0.0, total), sorted(asked, key=lambda name: asked[name])
    for index, name in enumerate(names):
        found[name] = min(asked[name], left / (len(names) - index))
        left -= found[name]
    return found


def paused(ledger: Ledger, now: float, length_s: float) -> Ledger:
    """The ledger with a pause that was known before, as from a spec's status."""
    return replace(ledger, paused_until=max(ledger.paused_until, now + min(length_s, LONGEST_PAUSE_S)))
