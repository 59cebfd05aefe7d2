"""Questions about what stands open, asked on the real clock: a slot may fall due between a run and the question after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SLOT_S = 300
"""All grids of the tests fall due at whole five minutes."""


def in_one_slot(look: Callable[[], T], clock: Callable[[], float] = time.time, tries: int = 3) -> T:
    """What `look` (a run and the questions after it) found, done anew if a slot ended meanwhile: that slot is rightly open."""
    for _ in range(tries):
        slot = clock() // SLOT_S
        found = look()
        if clock() // SLOT_S == slot:
            return found
    raise AssertionError(f"each of {tries} looks took longer than what was left of its slot")
