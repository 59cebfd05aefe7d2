"""Instants as Kubernetes writes them, and as numbers. Pure: nobody asks here what time it is."""

from datetime import UTC, datetime
from typing import Final

EARLIEST_MS: Final = 1_230_768_000_000  # 2009: before there was anything to trade
LATEST_MS: Final = 4_102_444_800_000  # 2100


def iso(ms: float) -> str:
    """``2026-11-28T20:57:55Z``, cut to the second."""
    return datetime.fromtimestamp(int(ms) // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ms(text: str | None) -> int | None:
    """The instant in ms UTC; None for none and for what is none."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else int(found.timestamp() * 1000)
