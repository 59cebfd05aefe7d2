"""Defects that the second layer must see, each given to a worker's process by name: the real part with one rule broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from campaign.stream_defects import AcrossReconnects, Distinct, Told
from perptape.errors import Retry
from perptape.exchanges.base import Exchange, Sink, Traits
from perptape.exchanges.turns import Turns
from perptape.instruments import Instrument
from perptape.store.tape import Tape


class Around:
    """An exchange that is another one in all that it does not do itself."""

    def __init__(self, real: Exchange) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def through(told: type[Told]) -> Callable[[Exchange], Any]:
    """An exchange whose streams tell another sink."""

    class Through(Around):
        _kept: Told | None = None

        async def liquidations(self, instruments: Sequence[Instrument], sink: Sink) -> None:
            if self._kept is None or self._kept.sink is not sink:
                self._kept = told(sink)
            await self._real.liquidations(instruments, self._kept)

    return Through


class Heedless(Turns):
    """Passes on nothing of the pauses that a venue demands."""

    def note(self, status: int, after: float | None) -> None:
        super().note(status, None)


class Unheeding(Around):
    """Says nothing of how long the venue must not be asked."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if name not in ASKS:
            return found

        async def asked(*args: Any) -> Any:
            try:
                return await found(*args)
            except Retry as error:
                raise Retry(str(error)) from error

        return asked


ASKS = (
    "now",
    "instruments",
    "open_interest",
    "volume",
    "open_interest_page",
    "funding",
    "funding_page",
    "liquidations_page",
    "liquidations",
)


class AtOnce(Around):
    """Takes the newest page for final."""

    @property
    def traits(self) -> Traits:
        told = self._real.traits
        history = told.open_interest_history
        buckets = None if history is None else replace(history, publication_delay=0)
        return replace(told, open_interest_history=buckets, funding_history=replace(told.funding_history, publication_delay=0))


@dataclass(frozen=True)
class Parts:
    """The real parts, where nothing else is said."""

    exchange: Callable[[Exchange], Any] = lambda real: real
    turns: type[Turns] = Turns
    tape: type[Tape] = Tape


PARTS: Mapping[str, Parts] = {
    "": Parts(),
    "a claim across a reconnect": Parts(tape=AcrossReconnects),
    "DISTINCT instead of ordinals": Parts(through(Distinct)),
    "Retry-After ignored": Parts(Unheeding, Heedless),
    "the newest page claimed at once": Parts(AtOnce),
}
"""By name; no name: no defect."""
