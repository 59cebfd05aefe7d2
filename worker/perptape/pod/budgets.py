"""The budgets of all venues that a pod asks: a client each, over one HTTP session. Shell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import aiohttp

from perptape.exchanges.base import Access
from perptape.exchanges.registry import traits
from perptape.exchanges.turns import Turns
from perptape.pod.budget import Ask, Client, NoAnswer
from perptape_api.names import BUDGET_PATH

TIMEOUT_S: Final = 2.0
ALONE: Final = 1.0


def steered(access: Mapping[str, Access]) -> dict[str, Access]:
    """The same ways to the venues, through turns that somebody else may restrict."""
    return {venue: replace(one, turns=Turns(venue, traits(venue).limits, one.speed)) for venue, one in access.items()}


@asynccontextmanager
async def kept(access: Mapping[str, Access], url: str | None, fallback: float | None) -> AsyncIterator[None]:
    """As long as this lasts, the turns in `access` keep to what the operator at `url` says."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        clients = [
            Client(
                venue,
                one.turns,
                ALONE if fallback is None else fallback,
                None if url is None else asking(session, url, venue),
                monotonic=time.monotonic,
            )
            for venue, one in access.items()
            if one.turns is not None
        ]
        tasks = [asyncio.ensure_future(client.run()) for client in clients]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def asking(session: aiohttp.ClientSession, url: str, venue: str) -> Ask:
    """Posts to the operator's budget of a venue."""
    place = url.rstrip("/") + BUDGET_PATH.format(venue=venue)

    async def ask(post: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            async with session.post(place, json=dict(post), allow_redirects=False) as told:
                if told.status != 200:
                    raise NoAnswer(f"HTTP {told.status}: {(await told.text())[:200]}")
                found = await told.json()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        if not isinstance(found, dict):
            raise NoAnswer("the answer is no object")
        return found

    return ask
