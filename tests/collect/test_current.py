"""What venues say right now: all have the same few seconds, whoever is connected to first."""

import asyncio
import time

from perptape.collect.current import each
from perptape.errors import Retry
from perptape.exchanges.base import Access


class Silent:
    async def close(self) -> None: ...


async def test_the_last_venue_has_no_more_time_because_the_first_one_took_long_to_connect() -> None:
    def connect(venue: str, access: Access) -> Silent:
        time.sleep(0.5)  # as CCXT's import does: nothing else goes on meanwhile
        return Silent()

    async def ask(exchange: Silent) -> str:
        await asyncio.sleep(60)
        return "never"

    access = {venue: Access(endpoint="http://127.0.0.1:1") for venue in ("a", "b", "c")}
    began = time.monotonic()
    async with each(access, access, 2.0, ask, connect=connect) as answers:
        assert time.monotonic() - began < 2.8  # 3.0 where each venue's time begins when it is connected to
    assert {venue: type(answer) for venue, answer in answers.items()} == dict.fromkeys("abc", Retry)
