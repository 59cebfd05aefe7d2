"""A venue's payload in a message. Pure."""

from __future__ import annotations

import json
from typing import Any


def short(payload: Any, length: int = 200) -> str:
    """A payload on one line for a log."""
    try:
        text = payload if isinstance(payload, str) else json.dumps(payload, default=str)
    except RecursionError:
        text = f"a {type(payload).__name__} that is nested too deeply"
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
