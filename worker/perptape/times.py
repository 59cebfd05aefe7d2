"""Times as text: UTC, ISO, to the second. Pure."""

from __future__ import annotations

import datetime


def iso(ms: int) -> str:
    """``2026-11-28T20:15:00Z``, with milliseconds only where there are any."""
    moment = datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ms % 1000:03d}Z" if ms % 1000 else f"{text}Z"


def span(ms: int) -> str:
    """``3d 4h``, ``12m``, ``5s``, ``30ms``: the two greatest units of a length of time, milliseconds where it is below a second."""
    if 0 < ms < 1_000:
        return f"{ms}ms"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
