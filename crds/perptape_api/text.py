"""Text of a file as plain values, JSON by the shorter way; YAML is loaded only where it is needed, for every pod reads JSON. Pure."""

import json
from collections.abc import Iterable
from typing import Any, Final

from perptape_api.model import shown

LONGEST: Final = 4 * 2**20

Path = tuple[str | int, ...]


class Unreadable(ValueError):
    """The text is no single plain document; the message says where and why."""


def plain(text: str) -> Any:
    """The one document in the text."""
    if len(text) > LONGEST:
        raise Unreadable(f"has {len(text)} characters: at most {LONGEST} are read")
    try:
        if text.lstrip().startswith("{"):
            try:
                return json.loads(text, object_pairs_hook=_once)
            except json.JSONDecodeError:
                pass  # YAML's flow style begins alike
        from perptape_api import yamltext

        return yamltext.plain(text)
    except RecursionError as error:
        raise Unreadable("is nested too deeply") from error
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(f"cannot be read: {' '.join(str(error).split())}") from error


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Unreadable(f"{shown(key)} is given twice: remove one of them")
        found[key] = value
    return found
