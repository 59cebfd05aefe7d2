"""Wrong payloads through real parsers: none is a crash, and whatever is dropped names the field. More of them: `python -m bench fuzz`."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import round
from fuzz.careless import NAMES, VENUE, careless
from fuzz.desk import Desk
from fuzz.mutate import encoded
from fuzz.payloads import answers, frames
from fuzz.tally import Tally
from perptape.exchanges.registry import VENUES

pytestmark = pytest.mark.slow

FEW, MANY, ENOUGH = 100, 1_000, 3_000
"""Payloads of each venue in every run, in a thorough one, and in which any careless reader is caught."""


def tally(venue: str, seeds: range) -> Tally:
    async def handed_in() -> Tally:
        found, desk = Tally(), Desk(venue)
        await desk.open()
        try:
            for seed in seeds:
                await round.one(desk, Random(seed), found, seed)
        finally:
            await desk.close()
        return found

    return asyncio.run(handed_in())


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_well_is_kept_whole(venue: str) -> None:
    async def handed_in() -> None:
        desk = Desk(venue)
        await desk.open()
        try:
            for question, replies in answers(venue).items():
                found = await desk.ask(question, {name: encoded(payload) for name, payload in replies.items()})
                assert (found.crash, found.reasons) == (None, []), question
                assert len(found.rows) == round.ROWS.get((venue, question), len(found.rows)) > 0, question
        finally:
            await desk.close()
        for frame in frames(venue):
            heard = desk.hear(encoded(frame.payload))
            assert (heard.crash, heard.reasons, len(heard.rows)) == (None, [], frame.events)
            assert heard.told

    asyncio.run(handed_in())


@pytest.mark.parametrize("venue", VENUES)
def test_a_wrong_payload_is_no_crash_and_what_is_dropped_names_its_field(venue: str) -> None:
    desk = Desk(venue)
    with asyncio.Runner() as runner:
        runner.run(desk.open())

        @settings(max_examples=FEW)
        @given(st.integers(0, 2**63))
        def handed_in(seed: int) -> None:
            found = Tally()
            runner.run(round.one(desk, Random(seed), found, seed))
            assert found.faults == []

        handed_in()
        runner.run(desk.close())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("venue", VENUES)
def test_thousands_of_wrong_payloads_come_to_every_kind_of_outcome(venue: str) -> None:
    found = tally(venue, range(MANY))
    assert found.faults == []
    assert {"kept", "kept in part", "rejected"} <= found.outcomes.keys()
    assert len(found.fields) > 10


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_a_careless_reader_is_caught(name: str) -> None:
    async def handed_in() -> list[str]:
        found, desk = Tally(), Desk(VENUE, careless(name))
        await desk.open()
        for seed in range(ENOUGH):
            await round.one(desk, Random(seed), found, seed)
            if found.faults:
                break
        await desk.close()
        return found.faults

    assert asyncio.run(handed_in())
