"""What venues say right now: all have the same few seconds, whoever is connected to first."""

import asyncio

from campaign.clockwork import VirtualLoop
from perptape.collect.current import each
from perptape.errors import Retry
from perptape.exchanges.base import Access


class Silent:
    async def close(self) -> None: ...


def test_the_last_venue_has_no_more_time_because_the_first_one_took_long_to_connect() -> None:
    loop = VirtualLoop()

    def connect(venue: str, access: Access) -> Silent:
        loop.seconds += 0.5  # as CCXT's import does: nothing else goes on meanwhile
        return Silent()

    async def ask(exchange: Silent) -> str:
        await asyncio.sleep(60)
        return "never"

    async def asked() -> dict[str, object]:
        access = {venue: Access(endpoint="http://127.0.0.1:1") for venue in ("a", "b", "c")}
        async with each(access, access, 2.0, ask, connect=connect) as answers:
            assert loop.time() == 2.0  # 3.0 where each venue's time begins when it is connected to
        return {venue: type(answer) for venue, answer in answers.items()}

    try:
        assert loop.run_until_complete(asked()) == dict.fromkeys("abc", Retry)
    finally:
        loop.close()
