"""The campaign's first layer: whatever befalls collector, publisher, store and venue, nothing obtainable is lost and no claim is false.

Each schedule is three simulated hours of faults and a quiet day, in process, on a virtual clock.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pytest

from campaign.__main__ import asked
from campaign.defects import DEFECTS
from campaign.world import lived, quiet
from perptape.simulation.schedule import STORM, Kind, schedule

FIXED, FRESH = 200, 100
BLOCK = 10


@pytest.fixture(autouse=True)
def _quiet():
    threads = pa.cpu_count()
    quiet()
    yield
    pa.set_cpu_count(threads)


def test_each_schedule_holds_five_faults_of_three_kinds_and_each_fault_is_in_one_of_twenty():
    """Whether somebody meets them shows when they are carried out: `make campaign` counts it."""
    schedules = [schedule(seed) for seed in range(FIXED)]
    assert all(len(one.faults) >= 5 and len(one.kinds) >= 3 and one.faults[-1].end <= STORM for one in schedules)
    met = Counter(kind for one in schedules for kind in one.kinds)
    assert {kind: met[kind] for kind in get_args(Kind) if met[kind] < FIXED / 20} == {}


def test_fresh_seeds_are_of_the_time_of_day_and_none_of_the_fixed_ones():
    assert asked([], 300, 1_800_000_000.7) == (300, 0)
    assert asked(["50"], 300, 1_800_000_000.7) == (50, 0)
    assert asked(["50", "900000000000"], 300, 1_800_000_000.7) == (50, 900_000_000_000)
    assert asked(["50", "fresh"], 300, 1_800_000_000.7) == (50, 1_800_000_000_000)


@pytest.mark.parametrize("words", [["0"], ["x"], ["-3"], ["5", "foo"], ["5", "-1"]])
def test_a_number_of_schedules_that_is_none_is_refused(words):
    with pytest.raises(SystemExit, match="N is a whole number"):
        asked(words, 300, 1_800_000_000.7)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, FIXED, BLOCK))
def test_nothing_obtainable_is_lost_and_no_claim_is_false(first):
    assert {seed: found for seed in range(first, first + BLOCK) if (found := lived(schedule(seed)).findings)} == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(FRESH // BLOCK))
def test_so_it_is_with_schedules_that_nobody_has_seen(block):
    """`make campaign N=1 SEED=…` carries one that went wrong out again."""
    _, first = asked([str(FRESH), "fresh"], FRESH, time.time())
    seeds = range(first + block * BLOCK, first + (block + 1) * BLOCK)
    assert {seed: found for seed in seeds if (found := lived(schedule(seed)).findings)} == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_turns_a_fixed_schedule_red(name):
    """The first of them that it does; those without the faults that it takes need not be tried."""
    defect = DEFECTS[name]
    tried = (one for one in map(schedule, range(FIXED)) if defect.may_show(one))
    assert any(defect.shown(lived(one, defect.parts).findings) for one in tried)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_seed_reproduces_everything_bit_for_bit():
    """Also in another process, whose hashes of text are others."""
    imports = "from campaign.world import lived, quiet; from perptape.simulation.schedule import schedule"
    again = imports + "; quiet(); print(lived(schedule({})).digest())"
    for seed in (2, 5):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONHASHSEED": str(seed + 7)}
        said = subprocess.run([sys.executable, "-c", again.format(seed)], env=environment, capture_output=True, text=True, check=True)
        assert said.stdout.strip() == lived(schedule(seed)).digest()
