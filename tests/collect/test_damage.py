"""Damage takes away what was claimed before it was found, and nothing of the time after."""

import pytest

from perptape.claims import STREAM, Claim
from perptape.coverage import Coverage
from perptape.damage import Damage, repaired
from perptape.interval import DAY, HOUR, MINUTE, SECOND, Interval
from perptape.standing import GridRules, states

DAWN = 20_000 * DAY
FOUND = DAWN + 10 * HOUR + 7 * MINUTE + 3 * SECOND
TODAY = Damage("A", DAWN - DAY - 5 * MINUTE, DAWN + DAY, FOUND, first=DAWN)
NOW = DAWN + 20 * HOUR
SAMPLES = GridRules(obtainable=False, delay=0, final_after=DAY, every=5 * MINUTE)


def claim(grid: str, start: int, end: int, kind: str = "complete") -> Claim:
    """As coverage holds it: asking times are floored to the day."""
    return Claim("A", grid, kind, start, end, "", end, end).coarse()  # type: ignore[arg-type]


def left(grid: str, start: int, end: int, kind: str = "complete") -> list[tuple[int, int]]:
    return [(c.start, c.end) for c in Coverage.of([claim(grid, start, end, kind)], damage=[TODAY]).claims]


@pytest.mark.parametrize("kind", ["live", "complete", "sampled"])
def test_a_streams_claims_stand_from_the_moment_the_damage_was_found(kind: str) -> None:
    assert left(STREAM, DAWN, NOW, kind) == [(FOUND, NOW)]
    assert left(STREAM, DAWN + HOUR, FOUND, kind) == []


def test_the_slot_of_samples_in_which_damage_was_found_is_lost_and_the_next_one_stands() -> None:
    assert left("sample/5m", DAWN, NOW) == [(DAWN + 10 * HOUR + 10 * MINUTE, NOW)]


def test_the_slot_of_a_period_in_progress_errs_to_the_safe_side() -> None:
    assert left("1h", DAWN, NOW) == [(DAWN + 11 * HOUR, NOW)]
    assert left("1h", DAWN + 10 * HOUR, DAWN + 11 * HOUR) == []


def test_only_a_period_may_have_begun_before_the_first_row_of_the_file() -> None:
    """A file of today has yesterday's last buckets, which are published today; it has no event and no sample of yesterday."""
    assert left("1d", DAWN - DAY, DAWN) == []
    for grid in (STREAM, "sample/5m", "settled"):
        assert left(grid, DAWN - HOUR, DAWN) == [(DAWN - HOUR, DAWN)]


def test_a_record_that_does_not_say_where_the_file_began_masks_all_that_it_may_have_held() -> None:
    older = Damage("A", DAWN - DAY, DAWN + DAY, FOUND)
    assert Coverage.of([claim(STREAM, DAWN - HOUR, DAWN)], damage=[older]).claims == ()


def test_damage_found_before_its_file_could_begin_takes_nothing() -> None:
    """Two clocks that differ: a record without any time."""
    assert Damage("A", DAWN, DAWN + DAY, DAWN - 1, first=DAWN).over(STREAM) == Interval(DAWN, DAWN)


@pytest.mark.parametrize("grid", [STREAM, "sample/5m"])
def test_time_is_lost_to_damage_up_to_its_finding_and_after_it_for_its_own_reason(grid: str) -> None:
    over = TODAY.over(grid)
    found = states([Interval(DAWN, NOW)], grid, [], SAMPLES, NOW, damage=[TODAY])
    lost = [(s.reason, s.span) for s in found if s.status == "lost"]
    assert lost[0] == ("damaged", Interval(DAWN, over.end))
    assert lost[1][0] == ("unknown" if grid == STREAM else "missed sample")


def test_the_slot_of_samples_in_which_damage_was_found_can_still_be_sampled_and_is_lost_when_it_is_over() -> None:
    slot = Interval(DAWN + 10 * HOUR + 5 * MINUTE, DAWN + 10 * HOUR + 10 * MINUTE)
    for now, expected in ((FOUND + SECOND, ("open", "")), (slot.end, ("lost", "damaged"))):
        (found,) = states([slot], "sample/5m", [], SAMPLES, now, damage=[TODAY])
        assert (found.status, found.reason) == expected


def test_what_was_claimed_of_the_time_after_the_damage_needs_no_mark() -> None:
    later = claim(STREAM, FOUND, NOW, "live")
    assert list(repaired([later], [TODAY])) == [later]
    assert next(repaired([claim("1h", DAWN, DAWN + HOUR)], [TODAY])).cause
