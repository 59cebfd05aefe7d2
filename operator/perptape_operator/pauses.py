"""Every venue's ledger, and what of it is known to the rest of the operator. The state of the budget; `budget` decides."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from perptape_api.names import EXCHANGES
from perptape_operator import budget
from perptape_operator.budget import Answer, Ledger, Post

NOTED_MS = 1_000


@dataclass(slots=True)
class Pauses:
    """Ledgers by venue. `seconds` only goes forward; `now` is ms UTC, by which a pause is told to people and kept in status."""

    seconds: Callable[[], float]
    now: Callable[[], int]
    fraction: float = 1.0
    changed: Callable[[str], None] = lambda venue: None
    """Called with a venue whose pause is new or longer."""
    started: float = 0.0
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    _noted: dict[str, int] = field(default_factory=dict)

    def start(self, known: Mapping[str, int]) -> None:
        """Loads what is known of pauses (venue -> end in ms) before anything is answered."""
        self.started = self.seconds()
        for venue, end in known.items():
            self.pause(venue, end)

    def pause(self, venue: str, end: int) -> None:
        """A pause that was read in a status or a report."""
        length = (end - self.now()) / 1000
        if venue in EXCHANGES and length > 0:
            ledger = self.ledgers.get(venue, Ledger())
            self.ledgers[venue] = budget.paused(ledger, self.seconds(), length)
            self._note(venue)

    def answer(self, venue: str, pod: str, post: Post, alive: Collection[str] | None) -> Answer:
        now = self.seconds()
        before = self.ledgers.get(venue, Ledger())
        ledger, answer = budget.answered(before, pod, post, now, alive=alive, fraction=self.fraction, since_start=now - self.started)
        self.ledgers[venue] = ledger
        self._note(venue)
        return answer

    def known(self) -> dict[str, int]:
        """Venue -> end in ms, of every pause that is not over."""
        now = self.now()
        return {venue: end for venue, end in list(self._noted.items()) if end > now}

    def _note(self, venue: str) -> None:
        """An end that moves by less than a second has not moved: two clocks are never quite alike."""
        length = self.ledgers[venue].paused_until - self.seconds()
        end = self.now() + int(length * 1000)
        before = self._noted.get(venue, 0)
        if length > 0 and end > before + NOTED_MS:
            self._noted[venue] = end
            self.changed(venue)
