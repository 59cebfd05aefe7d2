"""The worker's budget client against the operator's own server, over HTTP: what one says the other understands, both ways."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from perptape.exchanges.base import CallLimit
from perptape.exchanges.turns import Turns
from perptape.pod.budget import FIRST_S, Client
from perptape.pod.budgets import asking
from perptape_operator.budget import LEARNING_S, Post
from perptape_operator.kinds import POD, name_of
from perptape_operator.server import application

LIMIT = CallLimit("ip", 600, 5_000)
NAMESPACE = "trading"


@asynccontextmanager
async def served(operation):
    operation.pauses.start({})
    operation.started = True
    runner = web.AppRunner(application(operation))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def pod(world, url, address, fallback=0.05):
    """A client that posts from an address."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        turns = Turns("bybit", (LIMIT,), monotonic=lambda: world.at / 1000)
        yield Client("bybit", turns, fallback, asking(session, url, "bybit"), monotonic=lambda: world.at / 1000), turns


def known(world, *addresses):
    """Pods of a spec with these addresses, and an operator that has listed them."""
    world.spec()
    world.settle()
    for number, address in enumerate(addresses):
        made = world.stream("majors-bybit-liquidations", number, None)
        world.cluster.edit(POD, NAMESPACE, name_of(made), lambda m, address=address: m["status"].update(podIP=address))
    world.settle()


async def rounds(world, clients, count, seconds=2):
    for _ in range(count):
        world.at += seconds * 1000
        for client in clients:
            await client.once()


def test_a_fresh_operator_is_waited_for_then_shares_and_a_ban_reaches_everybody(world):
    known(world, "127.0.0.1", "127.0.0.2")
    asyncio.run(_shared(world))


async def _shared(world):
    async with served(world.operation) as url, pod(world, url, "127.0.0.1") as (one, ours), pod(world, url, "127.0.0.2") as (two, theirs):
        assert (ours.leave, theirs.leave) == (False, False)
        await one.once()
        assert ours.leave is (world.operation.pauses.seconds() - world.operation.pauses.started >= LEARNING_S)
        await rounds(world, [one, two], 8)
        assert (ours.leave, theirs.leave) == (True, True)
        assert (round(ours.pace.share, 6), round(theirs.pace.share, 6)) == (0.5, 0.5)
        ours.past = True
        await ours.take({"ip": 1})
        await theirs.take({"ip": 1})
        await rounds(world, [one, two], 4)
        assert theirs.pace.share > 0.9 > 0.1 > ours.pace.share, "what is due comes before the past"
        ours.note(418, 90.0)
        assert ours.refused.is_set()
        await one.once()
        await two.once()
        assert theirs.paused > 85
        assert (ours.leave, theirs.leave) == (False, False)
        assert world.operation.pauses.known()["bybit"] > world.at + 85_000


def test_everything_that_a_worker_posts_is_understood(world):
    async def posts():
        said = []

        async def ask(post):
            said.append(dict(post))
            return {"share": 0.4, "pause_s": 0.0, "wait": False, "poll_s": 2.0}

        turns = Turns("bybit", (LIMIT,), monotonic=lambda: world.at / 1000)
        client = Client("bybit", turns, 0.05, ask, monotonic=lambda: world.at / 1000)
        await client.once()
        await turns.take({"ip": 10})
        turns.note(429, None)
        turns.note(418, 60.0)
        turns.met("bybit: HTTP 503: " + "x" * 1000)
        world.at += 60_000
        await client.once()
        return said

    first, second = asyncio.run(posts())
    assert set(first) | set(second) == set(Post.model_fields)
    assert Post.model_validate(first) == Post(held=0.0, fresh=1.0, backfill=0.0)
    told = Post.model_validate(second, strict=True)
    assert (told.held, told.refused, told.trouble[:16]) == (0.4, 418, "bybit: HTTP 503:")
    assert 0 < told.used < 0.01


def test_without_an_answer_it_waits_five_seconds_and_then_takes_the_fallback_and_later_the_last_answer(world):
    async def alone():
        async with served(world.operation) as url, pod(world, url, "127.0.0.1") as (client, turns):
            await client.once()  # 403: the operator knows no such pod
            assert not turns.leave
            world.at += int(FIRST_S * 1000)
            await client.once()
            assert (turns.leave, turns.pace.share) == (True, 0.05)
        known_pod = {"share": 0.4, "pause_s": 0.0, "wait": False}
        answers = [known_pod, {"share": "much"}, {}]

        async def ask(post):
            return answers.pop(0)

        turns = Turns("bybit", (LIMIT,), monotonic=lambda: world.at / 1000)
        client = Client("bybit", turns, 0.05, ask, monotonic=lambda: world.at / 1000)
        for _ in range(3):
            await client.once()
            world.at += 300_000
            assert (turns.leave, turns.pace.share) == (True, 0.4)

    world.spec()
    world.settle()
    asyncio.run(alone())


def test_who_was_told_to_wait_does_not_wait_for_a_dead_operator_for_ever(world):
    async def deaf():
        answers = [{"share": 0.0, "pause_s": 0.0, "wait": True}]

        async def ask(post):
            return answers.pop(0) if answers else {}

        turns = Turns("bybit", (LIMIT,), monotonic=lambda: world.at / 1000)
        client = Client("bybit", turns, 0.05, ask, monotonic=lambda: world.at / 1000)
        await client.once()
        assert not turns.leave
        world.at += 11_000
        await client.once()
        assert (turns.leave, turns.pace.share) == (True, 0.05)

    asyncio.run(deaf())
