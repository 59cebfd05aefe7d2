"""The spec that is mounted into a pod: the operator wrote it, and the kubelet brings a change some time after the pod was made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from perptape.errors import PerptapeError
from perptape_api.document import load
from perptape_api.resource import Collection

T = TypeVar("T")
PATIENCE_S: Final = 120.0
AGAIN_S: Final = 1.0


class Stale(PerptapeError):
    """The kubelet has not brought the spec that this pod was made for."""


def collection(path: Path) -> Collection | None:
    """The mounted spec; None where there is none. What a newer operator's spec has more is of no concern. Raises SpecError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return None
    return load(text, path.name, unknown="ignore")


async def current(
    read: Callable[[], T],
    digest: Callable[[T], str],
    wanted: str,
    sleep: Callable[[float], Awaitable[Any]],
    *,
    patience: float = PATIENCE_S,
    said: Callable[[str], None] = lambda text: None,
) -> T:
    """What `read` gives once its digest is the wanted one. Raises Stale after `patience` seconds."""
    waited = 0.0
    while digest(found := read()) != wanted:
        if waited == 0:
            said(f"the mounted spec is not the one that this pod was made for: waiting up to {patience:g} s for the kubelet")
        if waited >= patience:
            raise Stale(f"the mounted spec is still another one after {patience:g} s: the next pod looks again")
        await sleep(AGAIN_S)
        waited += AGAIN_S
    return found
