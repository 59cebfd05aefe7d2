"""Payloads and documents made wrong: one part replaced, missing, added, moved, of another kind or size; or the text itself garbled.

Pure: the chance is given.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

Path = tuple[Any, ...]

JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, "", " ", "0", "-1", "x", "NaN", "-Infinity", float("nan"), float("inf"), float("-inf"), -1.5, 1e308,
    10**30,
    -(10**30), 10**400, "1e500", "1e-500", "9" * 5000, 2**63, 2**64, "0x10", "12,5", "1_000", "null", [], {}, [[]], [{}], [None], {"a": 1},
    "\x00", "\ud800",
    "\u202e", "x" * 300, "NOTLISTED", "true", 1_795_300, 1_795_300_000_000_000, "1795300000000000000", 1_795_300_000_000.5,
)  # fmt: skip


def _deep(depth: int) -> Any:
    found: Any = 0
    for _ in range(depth):
        found = [found]
    return found


DEEP = (_deep(100), _deep(900))


@dataclass(frozen=True, slots=True)
class Mutation:
    """What was done, and where: `path` is of the part that was changed, taken away or put there; `before` and `after` are what stood and
    what stands there, None for nothing."""

    kind: str
    path: Path
    before: Any = None
    after: Any = None

    @property
    def is_entry(self) -> bool:
        """Whether it was done to an entry of a list."""
        return bool(self.path) and isinstance(self.path[-1], int)

    @property
    def moves(self) -> bool:
        """Whether those behind it in its list have other places now."""
        return self.is_entry and self.kind in ("gone", "added", "twice")

    @property
    def key(self) -> str:
        """The last name on the path: of the part itself, or of the list that it is an entry of."""
        return next((step for step in reversed(self.path) if isinstance(step, str)), "")

    @property
    def broken(self) -> frozenset[str]:
        """Every name that may rightly be blamed for it: of what is twice as it was, only the list's."""
        inside = frozenset() if self.kind == "twice" else names(self.after if self.kind == "added" else self.before)
        return inside | {self.key}

    def at(self, pattern: str) -> bool:
        """Whether it was done at, above or below a path like ``data.*.1``; one entry less or more moves those behind it too."""
        for place, (step, meant) in enumerate(zip(self.path, pattern.split("."), strict=False)):
            behind = self.moves and place == len(self.path) - 1 and meant.isdigit() and isinstance(step, int) and int(meant) > step
            if meant != str(step) and not behind and not (meant == "*" and isinstance(step, int)):
                return False
        return True


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every part of a value, its own first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def names(value: Any) -> frozenset[str]:
    return frozenset(step for path in places(value) for step in path if isinstance(step, str))


def mutated(payload: Any, random: Random) -> tuple[Any, Mutation]:
    """(a copy with one thing wrong, what that is)."""
    whole = [copy.deepcopy(payload)]
    path = random.choice([*places(payload)][1:] or [()])
    place: Path = (0, *path)
    holder, key = at(whole, place[:-1]), place[-1]
    before = holder[key]
    kind = random.choice(
        [*["junk"] * 6, "deep", "gone", "gone", "added", "added", "twice", "kind", "kind", "wrapped", "inner", "sign", "scale"]
    )
    change = _CHANGES.get(kind)
    if kind == "gone":
        del holder[key]
        return (whole[0] if whole else None), Mutation(kind, path, before)
    if kind == "twice" and isinstance(holder, list) and holder is not whole:
        holder.insert(key, copy.deepcopy(before))
        return whole[0], Mutation(kind, path, before, before)
    if kind == "added" and isinstance(before, dict | list):
        put, junk = _added(before, random), random.choice(JUNK)
        before.insert(put, junk) if isinstance(before, list) else before.__setitem__(put, junk)
        return whole[0], Mutation(kind, (*path, put), None, junk)
    holder[key] = random.choices(DEEP, (9, 1))[0] if kind == "deep" else change(before) if change is not None else random.choice(JUNK)
    return whole[0], Mutation(kind if kind in (*_CHANGES, "deep") else "junk", path, before, holder[key])


def _added(before: Any, random: Random) -> Any:
    """The key or place of what is put into a block or list."""
    if isinstance(before, list):
        return random.randrange(len(before) + 1)
    return random.choice(["extra", "code", "error", "e", "id", "event", "topic", "isDelisted"])


def _number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _other_kind(value: Any) -> Any:
    if isinstance(value, str):
        return _number(value) if _number(value) is not None else [value]
    return str(value)


def _inner(value: Any) -> Any:
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return parts[0] if parts else None


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "kind": _other_kind,
    "wrapped": lambda value: [value],
    "inner": _inner,
    "sign": lambda value: f"-{value}" if isinstance(value, str) else -value if isinstance(value, int | float) else None,
    "scale": lambda value: value * 1000 if isinstance(value, int | float) else f"{value}000" if isinstance(value, str) else {"0": value},
}


GARBLED = ("cut", "spliced", "html", "empty", "binary", "doubled", "latin")


def garbled(text: bytes, random: Random) -> tuple[bytes, str]:
    """(the text as a broken line or another server would give it, how)."""
    kind = random.choice(GARBLED)
    place = random.randrange(max(len(text), 1))
    match kind:
        case "cut":
            return text[:place], kind
        case "spliced":
            return text[:place] + random.randbytes(3) + text[place + random.randrange(20) :], kind
        case "html":
            return b"<html><body>502 Bad Gateway</body></html>", kind
        case "empty":
            return b"", kind
        case "binary":
            return random.randbytes(random.randrange(1, 80)), kind
        case "doubled":
            return text + text, kind
    return text[:place] + "é".encode("latin-1") + text[place:], kind


def encoded(payload: Any) -> bytes:
    """As JSON; lone surrogates as escapes, NaN and infinities as they are written."""
    return json.dumps(payload).encode()
