"""Times as users write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.cli.times import length, moment, period
from perptape.errors import UsageError
from perptape.interval import DAY, HOUR, MINUTE, SECOND, Interval
from perptape.times import iso

NOON = 1_772_366_400_000  # 2026-03-01T12:00:00Z
MIDNIGHT = NOON - 12 * HOUR


def test_a_bare_date_is_its_start_in_from_and_its_end_in_to() -> None:
    assert period("2026-03-01", "2026-03-01", NOON) == Interval(MIDNIGHT, MIDNIGHT + DAY)


def test_a_timestamp_is_utc_and_the_end_exclusive() -> None:
    assert period("2026-03-01T00:00", "2026-03-01T12:00", NOON) == Interval(MIDNIGHT, NOON)


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00Z", "2026-03-01 12:00", "2026-03-01T13:00:00+01:00", "20260301T120000"])
def test_a_timestamp_may_be_written_in_several_ways(text: str) -> None:
    assert moment(text, "--from", 0) == NOON


def test_a_length_is_that_long_ago() -> None:
    assert moment("7d", "--from", NOON) == NOON - 7 * DAY
    assert moment("now", "--to", NOON, end=True) == NOON


def test_without_an_end_it_ends_now() -> None:
    assert period("1h", None, NOON) == Interval(NOON - HOUR, NOON)


def test_without_a_beginning_it_begins_with_time_itself() -> None:
    assert period(None, "2026-03-01T00:00", NOON) == Interval(0, MIDNIGHT)


def test_neither_is_no_period() -> None:
    assert period(None, None, NOON) is None


@pytest.mark.parametrize(("start", "end"), [("2026-03-02", "2026-03-01"), ("2026-03-01T12:00", "2026-03-01T12:00"), ("2027-01-01", None)])
def test_an_end_before_the_start_is_refused_with_both_named(start: str, end: str | None) -> None:
    with pytest.raises(UsageError, match=r"--from 202.* is not before --to 2026.*: give"):
        period(start, end, NOON)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "12", "2026-02-30", "9999999999d9"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time: write 2026-03-01"):
        moment(text, "--from", NOON)


@pytest.mark.parametrize(("text", "ms"), [("90s", 90 * SECOND), ("5m", 5 * MINUTE), ("2h", 2 * HOUR), ("30d", 30 * DAY), ("1.5", 1500)])
def test_lengths(text: str, ms: int) -> None:
    assert length(text, "--deadline") == ms


@pytest.mark.parametrize("text", ["0", "-5m", "5x", "", "m", "1e3"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--deadline .* is not a length of time"):
        length(text, "--deadline")


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_that_was_printed_is_read_back(ms: int) -> None:
    assert moment(iso(ms), "--from", 0) == ms
