"""How commands reach venues: the real clock, real sleep, real chance. The only place that gives them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from perptape.cli.shell import now

if TYPE_CHECKING:
    from perptape.collect.asking import Environment
    from perptape.exchanges.base import Access, Exchange


def connect(venue: str, access: Access) -> Exchange:
    """The adapter of a venue."""
    from perptape.exchanges.registry import connect as registered

    return registered(venue, access, time.time_ns)


def connected(venues: Iterable[str], access: Mapping[str, Access]) -> Callable[[str, Access], Exchange]:
    """The adapters of these venues, whose lists of contracts are asked for from now on (call it inside the loop that uses them)."""
    from perptape.exchanges.registry import connect as registered

    found = {venue: registered(venue, access[venue], time.time_ns, ahead=True) for venue in venues}
    return lambda venue, _: found[venue]


def environment() -> Environment:
    """What the collector must not reach for itself."""
    from perptape.collect.asking import Environment
    from perptape.collect.together import settle_memory

    return Environment(clock=now, monotonic=time.monotonic, sleep=asyncio.sleep, chance=random.random, settle=settle_memory)
