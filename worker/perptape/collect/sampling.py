"""What venues say only of now: one question for all instruments, and the first answer in a slot claims it whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from perptape.collect.asking import TimeOver
from perptape.collect.grids import Grid
from perptape.collect.harvest import Harvest, predictions, samples
from perptape.collect.outcome import Outcome
from perptape.errors import Retry, Skip
from perptape.exchanges.base import Exchange
from perptape.instruments import Instrument

T = TypeVar("T")


class Ask(Protocol):
    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's answer, asked for as often as may help."""


async def sampled(
    exchange: Exchange,
    grid: Grid,
    instruments: Sequence[Instrument],
    ask: Ask,
    dropped: Callable[[Sequence[str]], None],
    outcome: Outcome,
) -> Harvest | None:
    """The samples of a grid's slot, counted in `outcome`; None where the venue gave no answer.

    `dropped` is told what was not understood.
    """
    try:
        if grid.dataset == "funding_prediction":
            current = await ask(lambda: exchange.funding(instruments))
            harvest = predictions(current.rows, grid, current.received)
            dropped(current.dropped)
        else:
            answer = await ask(lambda: exchange.open_interest(instruments))
            harvest = samples(answer.rows, grid, answer.received)
            dropped(answer.dropped)
    except TimeOver:
        outcome.remaining += 1
        return None
    except Retry as error:
        outcome.failed.append(f"{grid.dataset} of {len(instruments)} instruments: {error}")
        return None
    except Skip as error:
        outcome.skipped.append(str(error))
        return None
    answered = {claim.instrument for claim in harvest.claims}
    outcome.windows += 1 if harvest.rows else 0
    outcome.rows += len(harvest.rows)
    outcome.suspicious += harvest.suspicious
    dropped(harvest.dropped)
    outcome.failed.extend(f"{one.id}: no {grid.dataset} in the answer" for one in instruments if one.id not in answered)
    return harvest
