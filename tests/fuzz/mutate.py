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
    """What was done, and where. `inside`: the names of all that was at and below that place before; `after`: what stands there now."""

    kind: str
    path: Path
    inside: frozenset[str]
    after: Any = None

    @property
    def names(self) -> frozenset[str]:
        """Every name that may rightly be blamed for it."""
        return self.inside | {step for step in self.path if isinstance(step, str)}


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
    elif kind == "twice" and isinstance(holder, list) and holder is not whole:
        holder.insert(key, copy.deepcopy(before))
    elif kind == "added" and isinstance(before, dict):
        before[random.choice(["extra", "code", "error", "e", "id", "event", "topic", "isDelisted"])] = random.choice(JUNK)
    elif kind == "added" and isinstance(before, list):
        before.insert(random.randrange(len(before) + 1), random.choice(JUNK))
    else:
        holder[key] = random.choices(DEEP, (9, 1))[0] if kind == "deep" else change(before) if change is not None else random.choice(JUNK)
    after = None if kind == "gone" else holder[key]
    return (whole[0] if whole else None), Mutation(kind, path, names(before), after)


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
