"""Publishers, writers and readers of one store at once, over the real code: nothing is lost, and no reader is told a lie."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.schedules import World, schedule

SEEDS = st.integers(0, 2**32)


@settings(max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(SEEDS)
def test_no_schedule_loses_a_row_or_a_claim_or_misleads_a_reader(seed: int) -> None:
    assert schedule(World(True, True, random.Random(seed)), steps=150) is None


@settings(max_examples=2, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(SEEDS)
def test_without_compare_and_swap_no_schedule_loses_anything(seed: int) -> None:
    assert schedule(World(False, False, random.Random(seed)), steps=150, readers=False) is None


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(SEEDS)
def test_no_long_schedule_loses_a_row_or_a_claim_or_misleads_a_reader(seed: int) -> None:
    assert schedule(World(True, True, random.Random(seed)), steps=400) is None


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(SEEDS)
def test_without_compare_and_swap_no_long_schedule_loses_anything(seed: int) -> None:
    assert schedule(World(False, False, random.Random(seed)), steps=400, readers=False) is None
