"""Pages of a truthful answer, damaged: a row with NaN, a negative or missing figure, a row twice, rows out of order.

Pure. Works on any venue's answer: the page is the first list of rows in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_TIME = re.compile(r"time|ts$|^t$|stamp|date|cursor|^id$", re.IGNORECASE)


def damaged(body: Any, kind: str) -> Any:
    """The same answer with its page damaged; an answer without a page stays as it is."""
    path = next(_pages(body, ()), None)
    if path is None:
        return body
    return _replaced(body, path, lambda rows: _damaged_rows(rows, kind))


def _pages(body: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(body, list) and body and isinstance(body[0], dict | list):
        yield path
        return
    for key, value in body.items() if isinstance(body, dict) else ():
        yield from _pages(value, (*path, key))


def _replaced(body: Any, path: tuple[Any, ...], change: Any) -> Any:
    if not path:
        return change(body)
    return {**body, path[0]: _replaced(body[path[0]], path[1:], change)}


def _damaged_rows(rows: list[Any], kind: str) -> list[Any]:
    middle = len(rows) // 2
    if kind == "duplicate":
        return [*rows[: middle + 1], *rows[middle:]]
    if kind == "unsorted":
        return rows[middle:] + rows[:middle] if len(rows) < 4 else rows[1::2] + rows[::2]
    return [*rows[:middle], _damaged_row(rows[middle], kind), *rows[middle + 1 :]]


def _damaged_row(row: Any, kind: str) -> Any:
    if isinstance(row, dict):
        return {key: value if _TIME.search(key) else _damaged_value(value, kind) for key, value in row.items()}
    if isinstance(row, list):  # OKX's rows: the time first
        return [value if place == 0 else _damaged_value(value, kind) for place, value in enumerate(row)]
    return row


def _damaged_value(value: Any, kind: str) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return {"nan": "NaN", "negative": "-" + value.lstrip("-"), "missing": None}[kind]
    if isinstance(value, float):
        return -abs(value) if kind == "negative" else None  # JSON has no NaN
    return value
