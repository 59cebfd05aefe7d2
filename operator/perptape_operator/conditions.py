"""Ready, Collecting, Complete and StoreReady: for each the first check of its chain that has something to say. Pure.

The chains are the documentation: docs/operating.md has their reasons, meanings and remedies word for word.
"""

from collections.abc import Iterable
from typing import Final, Literal

from perptape_api.status import LONGEST_MESSAGE, Condition
from perptape_operator import clock
from perptape_operator.checks import Check, Facts
from perptape_operator.complete import COMPLETE
from perptape_operator.ready import COLLECTING, READY
from perptape_operator.store_ready import STORE_READY

Type = Literal["Ready", "Collecting", "Complete", "StoreReady"]
CHAINS: Final[dict[Type, tuple[Check, ...]]] = {
    "Ready": READY,
    "Collecting": COLLECTING,
    "Complete": COMPLETE,
    "StoreReady": STORE_READY,
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
