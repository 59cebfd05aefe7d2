"""Times and lengths as users write them. UTC; a bare date is its start in `--from` and its end in `--to`. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from perptape.errors import UsageError
from perptape.interval import DAY, HOUR, LATEST, MINUTE, SECOND, Interval
from perptape.times import iso

UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
EXAMPLES = "2026-03-01, 2026-03-01T12:00 or 7d (that long ago)"


def length(text: str, option: str) -> int:
    """``90s``, ``5m``, ``2h``, ``30d`` or bare seconds -> ms."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"{option} {text!r} is not a length of time: write it as 90s, 5m, 2h or 30d")
    return round(float(match[1]) * UNITS[match[2] or "s"])


def minutes(text: str, option: str) -> int:
    """A period in whole minutes."""
    ms = length(text, option)
    if ms % MINUTE:
        raise UsageError(f"{option} {text!r} is no period: whole minutes, as in 5m or 1h")
    return ms // MINUTE


def moment(text: str, option: str, now: int, *, end: bool = False) -> int:
    """A date, a timestamp (UTC unless it says otherwise), or a length ago -> ms. The end of a bare date is the next one's start."""
    text = text.strip()
    if text == "now":
        return now
    if re.fullmatch(r"[0-9]+[smhdw]", text):
        return max(now - length(text, option), 0)
    try:
        time = datetime.fromisoformat(text)
        if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}|\d{4}-?W\d{2}-?\d", text):
            time += timedelta(days=1 if end else 0)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text!r} is not a time: write {EXAMPLES}") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return min(max(round(time.timestamp() * SECOND), 0), LATEST)


def period(start: str | None, end: str | None, now: int) -> Interval | None:
    """``[--from, --to)``; None when neither is given. Without --to it ends now; without --from it starts at the beginning of time."""
    if start is None and end is None:
        return None
    last = now if end is None else moment(end, "--to", now, end=True)
    first = 0 if start is None else moment(start, "--from", now)
    if first >= last:
        raise UsageError(f"--from {iso(first)} is not before --to {iso(last)}: give an earlier --from")
    return Interval(max(first, 0), last)
