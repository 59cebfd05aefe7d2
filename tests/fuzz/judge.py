"""What is wrong with what became of a wrong payload: a crash, a row of nobody's making, a silent loss, a reason that names no field.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

from fuzz.blame import rightly
from fuzz.desk import Outcome
from fuzz.mutate import Mutation
from perptape.interval import EARLIEST, LATEST, Interval

NEVER = Interval(0, 0)

_BEFORE = (
    re.compile(r"(binance|bybit|hyperliquid|okx|deribit):? (lists a contract that cannot be understood: )?"),
    re.compile(r"nothing in the answer can be understood: "),
    re.compile(r"[\w-]+\.(BINANCE|BYBIT|HYPERLIQUID|OKX|DERIBIT): "),
    re.compile(r"control topic: (?=time)"),
)
_FORMS = (
    (re.compile(r"(?:no|no list at|an empty list at) ([\w.?=-]+|the top) (?:in|of) the answer"), None),
    (re.compile(r"[\w-]+: not in the answer|does not list "), "contract"),
    (re.compile(r"\d+ rows, the time of"), "time"),
    (re.compile(r"no row from|no settlement in|a page of \d+ rows"), "rows"),
    (re.compile(r"not JSON \("), "frame"),
    (re.compile(r"the contract is named in no text"), "contract"),
    (re.compile(r"HTTP 200: "), "the venue's word"),
    (re.compile(r"more at \S+ than a page holds"), "crowded"),
    (re.compile(r"([\w][\w .?=-]*?): "), None),
)


def field(reason: str) -> str:
    """The field that a reason names: the last name of its path; nothing where it names none."""
    for prefix in _BEFORE * 2:
        if (found := prefix.match(reason)) is not None:
            reason = reason[found.end() :]
    for form, name in _FORMS:
        if (found := form.match(reason)) is not None:
            path = name or found[1]
            return next((step for step in reversed(path.split(".")) if not step.isdigit()), f"place {path}")
    return ""


def faults(venue: str, outcome: Outcome, payload: Any, expected: int, done: Mutation | str, window: Interval = NEVER) -> Iterator[str]:
    """One line for each thing that must not be. `payload` as it was sent (None where it is no JSON); `expected` rows of it unhurt;
    `done`: the one thing that was done to it, or how the text was garbled; `window`: what it was asked of."""
    if outcome.crash is not None:
        yield f"crash: {type(outcome.crash).__name__}: {outcome.crash}"
        return
    for reason in outcome.reasons:
        if "\n" in reason:
            yield f"a reason of two lines: {reason!r}"
        named = field(reason)
        if not named:
            yield f"names no field: {reason}"
        elif isinstance(done, Mutation) and not rightly(named, reason, done, payload, venue):
            yield f"names {named}, which is well: {reason}"
    yield from _of_rows(outcome, payload)
    lost = expected - len(outcome.rows)
    if lost > 0 and not outcome.reasons and not (isinstance(done, Mutation) and _leaves_out(done, window)):
        yield f"{lost} rows lost without a word"


SILENT = frozenset(
    [
        "liquidation", "isDelisted", "isActive", "is_active", "state", "status", "contractType", "settlement_period", "filters",
        "s", "instId", "instrument_name", "channel", "details", "list", "data", "trades", "event", "e", "id", "error", "op",
        "topic", "method", "params", "success", "result", "symbols", "universe",
    ]
)  # fmt: skip


def _leaves_out(done: Mutation, window: Interval) -> bool:
    """Whether the venue itself may have said so little: entries that are gone, of another contract, of another time. One that is odd
    does not say it."""
    if done.is_entry:
        return done.kind == "gone" or _elsewhen(done.after, window)
    return done.key in SILENT or not done.path or _elsewhen(done.after, window)


def _elsewhen(value: Any, window: Interval) -> bool:
    """Whether it is a time, and none of the window: its entry is of another one."""
    exact = None if isinstance(value, bool) else _exact(value)
    return exact is not None and EARLIEST <= exact < LATEST and not window.start <= exact < window.end


def _of_rows(outcome: Outcome, payload: Any) -> Iterator[str]:
    for row in outcome.rows:
        odd = [value for value in row if isinstance(value, float) and not isfinite(value)]
        if odd or any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in row):
            yield f"a row that is none: {row}"
    if outcome.sent and payload is not None:
        numbers = {float(number) for number in _numbers(payload)}
        for value in outcome.sent:
            if value not in (None, "") and (exact := _exact(value)) is not None and float(exact) not in numbers:
                yield f"a number that nobody sent: {value!r}"


def _numbers(payload: Any) -> Iterator[Decimal]:
    waiting: list[Any] = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif not isinstance(value, bool) and (exact := _exact(value)) is not None:
            yield exact


def _exact(value: Any) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    return found if found.is_finite() else None


def kind(outcome: Outcome) -> str:
    """In one word what became of a payload."""
    if outcome.crash is not None:
        return "crash"
    if outcome.rows:
        return "kept in part" if outcome.reasons else "kept"
    return "rejected" if outcome.reasons else "no rows"


def named(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        yield from map(field, outcome.reasons)
