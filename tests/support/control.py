"""What a test says to simulated venues and asks of them, wherever they run: the control API as methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Control(ABC):
    """Simulated venues; `control` carries one request out."""

    @abstractmethod
    def control(self, method: str, name: str, body: Any = None, **query: Any) -> Any:
        """One request of the control API; query values as they are."""

    def fault(self, **fault: Any) -> None:
        self.control("POST", "faults", fault)

    def calm(self) -> None:
        """Ends all faults."""
        self.control("DELETE", "faults")

    def now(self, venue: str) -> int:
        """The venue's clock, ms."""
        return int(self.control("GET", "clock")[venue])

    def skew(self, **ms: float) -> None:
        """Sets venues' clocks ahead."""
        for venue, shift in ms.items():
            self.control("POST", "skew", {"venue": venue, "ms": shift})

    def open_interest(self, venue: str, contract: str, start: int, end: int) -> dict[int, float]:
        """The truth: base coins by the stamp of each 5-minute bucket."""
        rows = self.control("GET", "open_interest", venue=venue, contract=contract, start=start, end=end)
        return {row["time"]: float(row["base"]) for row in rows}

    def funding(self, venue: str, contract: str, start: int, end: int) -> dict[int, float]:
        """The truth: rates by the minute at which they are settled."""
        rows = self.control("GET", "funding", venue=venue, contract=contract, start=start, end=end)
        return {round(row["time"] / 60_000) * 60_000: float(row["rate"]) for row in rows}

    def data_requests(self, venue: str) -> list[dict[str, Any]]:
        """The requests so far."""
        found = self.control("GET", "requests", venue=venue)
        assert isinstance(found, list)
        return found
