"""The campaign's second layer: the collector's own processes over CCXT's clients and real sockets, against a venue that misbehaves.

Each schedule takes about a minute, most of which it waits; four are under way at once.
"""

import pytest

from campaign.l2.__main__ import carried_out
from campaign.world import quiet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCHEDULES = (2, 7, 10, 11, 14, 15, 25, 47)
"""Of all venues, processes that stay and jobs, and most kinds of faults; `make campaign LAYER=2` carries out as many as one likes."""
SHOWN = {
    "a claim across a reconnect": 15,
    "DISTINCT instead of ordinals": 4,
    "Retry-After ignored": 25,
    "the newest page claimed at once": 13,
}
"""Seeded defects, with a schedule that shows each of them."""


@pytest.fixture(scope="module", autouse=True)
def _quiet():
    quiet()


def test_nothing_obtainable_is_lost_and_no_claim_is_false(tmp_path):
    assert {one.schedule.seed: one.findings for one in carried_out(SCHEDULES, tmp_path) if one.findings} == {}


def test_each_defect_turns_a_schedule_red(tmp_path):
    """By what it breaks, and not by chance."""
    found = {one.defect: one.findings for one in carried_out([*SHOWN.values()], tmp_path, [*SHOWN])}
    assert [name for name, findings in found.items() if not findings] == []
    assert any("claimed" in line for line in found["a claim across a reconnect"])
    assert any("of 2 events" in line for line in found["DISTINCT instead of ordinals"])
    assert any("in spite of a" in line for line in found["Retry-After ignored"])
    assert any("in place of" in line for line in found["the newest page claimed at once"])
