"""Every wanted millisecond stands at exactly one thing, and at the right one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.claims import Claim, Want, join, join_wants
from perptape.damage import Damage
from perptape.interval import DAY, HOUR, MINUTE, Interval, total
from perptape.standing import DOUBTED, REFUSED, UNUSABLE, GridRules, State, states, wanted, watermark

FIVE = 5 * MINUTE
NOW = 40 * DAY
BASE = NOW - 300 * MINUTE
RULES = GridRules(obtainable=True, delay=10 * MINUTE, final_after=DAY, every=FIVE, retention=30 * DAY)
SAMPLES = GridRules(obtainable=False, delay=0, final_after=DAY, every=FIVE)


def claim(kind, start, end, asked_first=NOW, asked_last=NOW, grid="5m", **more):
    return Claim("A", grid, kind, start, end, more.get("basis", ""), asked_first, asked_last, cause=more.get("cause", ""))


def standing(found, time):
    return next(s for s in found if time in s.span)


minutes = st.integers(0, 50)
any_claims = st.lists(
    st.builds(
        lambda kind, start, length, asked, later: claim(
            kind,
            NOW - 300 * MINUTE + start * FIVE,
            NOW - 300 * MINUTE + (start + length) * FIVE,
            NOW - asked * HOUR,
            NOW - asked * HOUR + later,
        ),
        st.sampled_from(["complete", "sampled", "asked", "live", "hole"]),
        minutes,
        minutes,
        st.integers(0, 60),
        st.integers(0, 3 * HOUR),
    ),
    max_size=6,
)


@given(any_claims, st.sampled_from([RULES, SAMPLES]), st.sampled_from(["5m", "sample/5m", "stream", "settled"]))
def test_the_states_partition_what_is_wanted(claims, rules, grid):
    span = Interval(NOW - 300 * MINUTE, NOW)
    found = states([span], grid, list(claims), rules, NOW)
    assert sum(len(s.span) for s in found) == len(span) == total(s.span for s in found)


@given(any_claims)
def test_more_claims_never_uncover_what_was_covered(claims):
    span = [Interval(NOW - 300 * MINUTE, NOW)]
    better = ("complete", "sampled")
    before = total(s.span for s in states(span, "5m", claims[1:], RULES, NOW) if s.status in better)
    assert total(s.span for s in states(span, "5m", claims, RULES, NOW) if s.status in better) >= before


def test_a_slot_is_pending_until_its_publication_delay_has_passed():
    found = states([Interval(NOW - HOUR, NOW)], "5m", [], RULES, NOW)
    assert found == (State(Interval(NOW - HOUR, NOW - 10 * MINUTE), "open"), State(Interval(NOW - 10 * MINUTE, NOW), "pending"))


def test_asked_becomes_empty_only_when_late_enough_and_confirmed():
    old = Interval(NOW - 3 * DAY, NOW - 3 * DAY + FIVE)
    row = claim("complete", old.start - FIVE, old.start)
    once = states([old], "5m", [row, claim("asked", old.start, old.end, NOW - HOUR, NOW - HOUR)], RULES, NOW)
    twice = states([old], "5m", [row, claim("asked", old.start, old.end, NOW - HOUR, NOW)], RULES, NOW)
    assert once == (State(old, "open", "", NOW - HOUR + FIVE),)
    assert twice == (State(old, "empty"),)
    young = Interval(NOW - 2 * HOUR, NOW - 2 * HOUR + FIVE)
    early = states([young], "5m", [row, claim("asked", young.start, young.end, NOW - HOUR, NOW)], RULES, NOW)
    assert early[0].status == "open"


def test_what_rests_on_answers_without_a_row_is_asked_for_at_once_and_counts_only_a_day_later():
    old = Interval(NOW - 3 * DAY, NOW - 3 * DAY + FIVE)
    row = claim("complete", old.start - FIVE, old.start)

    def found(first):
        return states([old], "5m", [row, claim("asked", old.start, old.end, first, NOW, cause=DOUBTED)], RULES, NOW)

    assert found(NOW - DAY + 1) == (State(old, "open"),)
    assert found(NOW - DAY) == (State(old, "empty"),)


@pytest.mark.parametrize("cause", [DOUBTED, REFUSED])
def test_an_answer_that_is_not_believed_takes_nothing_from_honest_ones(cause):
    old = Interval(NOW - 3 * DAY, NOW - 3 * DAY + FIVE)
    row = claim("complete", old.start - FIVE, old.start)
    honest = [claim("asked", old.start, old.end, time, time) for time in (NOW - 2 * HOUR, NOW)]
    unsure = claim("asked", old.start, old.end, NOW - HOUR, NOW - HOUR, cause=cause)
    assert states([old], "5m", join([row, *honest, unsure]), RULES, NOW) == (State(old, "empty"),)
    once = states([old], "5m", join([row, honest[0], unsure]), RULES, NOW)
    assert once == (State(old, "open", "", 0 if cause == DOUBTED else NOW),), "the last answer says when to ask again"


def test_a_moment_of_an_order_that_cannot_be_used_stays_open_whatever_else_the_venue_says_of_it():
    rules = GridRules(True, 0, DAY, MINUTE)
    span = Interval(NOW - 3 * DAY, NOW - 3 * DAY + MINUTE)
    asked = [claim("asked", span.start, span.end, time, time, grid="stream", cause=DOUBTED) for time in (NOW - 2 * DAY, NOW)]
    shown = claim("asked", span.start, span.start + 1, NOW - DAY, NOW - DAY, grid="stream", cause=UNUSABLE)
    found = states([span], "stream", join([*asked, shown]), rules, NOW)
    assert [(state.status, len(state.span)) for state in found] == [("open", 1), ("empty", MINUTE - 1)]


def test_a_slot_without_a_row_is_asked_for_again_an_hour_later_however_seldom_it_is_wanted():
    old = Interval(NOW - 3 * DAY, NOW - 2 * DAY)
    rules = GridRules(obtainable=True, delay=10 * MINUTE, final_after=DAY, every=DAY)
    assert states([old], "1d", [claim("asked", old.start, old.end, grid="1d")], rules, NOW) == (State(old, "open", "", NOW + HOUR),)


def test_what_was_asked_before_the_oldest_row_is_lost_to_retention():
    asked = claim("asked", NOW - 20 * DAY, NOW - 10 * DAY, NOW - HOUR, NOW)
    rows = claim("complete", NOW - 10 * DAY, NOW)
    assert states([asked.span], "5m", [asked, rows], RULES, NOW) == (State(asked.span, "lost", "retention"),)


def test_what_is_older_than_retention_is_lost_and_what_is_younger_is_open():
    found = states([Interval(NOW - 31 * DAY, NOW - 29 * DAY)], "5m", [], RULES, NOW)
    assert [(s.status, s.reason, len(s.span)) for s in found] == [
        ("lost", "retention", DAY + FIVE),  # the slot that is passing out of it is not asked for any more
        ("open", "", DAY - FIVE),
    ]


def test_a_late_claim_turns_lost_back():
    span = Interval(NOW - 35 * DAY, NOW - 34 * DAY)
    assert states([span], "5m", [], RULES, NOW)[0].status == "lost"
    assert states([span], "5m", [claim("complete", span.start, span.end)], RULES, NOW) == (State(span, "complete"),)


def test_of_a_damaged_sample_only_what_cannot_be_sampled_again_is_lost():
    hole = claim("hole", NOW - FIVE, NOW + FIVE, cause="damaged")
    found = states([Interval(NOW - FIVE, NOW + FIVE)], "sample/5m", [hole], SAMPLES, NOW + MINUTE)
    assert [(s.status, s.reason, s.span.start) for s in found] == [("lost", "damaged", NOW - FIVE), ("open", "", NOW)]


def test_a_sample_slot_is_work_from_its_start_and_lost_at_its_end():
    found = states([Interval(NOW - 10 * MINUTE, NOW + FIVE)], "sample/5m", [], SAMPLES, NOW + MINUTE)
    assert [(s.status, s.reason) for s in found] == [("lost", "missed sample"), ("open", "")]


def test_a_finer_grid_satisfies_a_coarser_one_in_whole_slots():
    fine = claim("complete", NOW - 3 * HOUR + FIVE, NOW - HOUR)
    found = states([Interval(NOW - 3 * HOUR, NOW - HOUR)], "1h", [], RULES, NOW, finer=[fine])
    assert [(s.status, len(s.span)) for s in found] == [("open", HOUR), ("complete", HOUR)]


def test_settled_time_is_due_again_only_when_the_next_settlement_is():
    claims = [claim("complete", NOW - 2 * DAY, NOW - HOUR, grid="settled")]
    span = [Interval(NOW - DAY, NOW - 30 * MINUTE)]
    quiet = states(span, "settled", claims, GridRules(True, 10 * MINUTE, DAY, HOUR, settle_every=8 * HOUR), NOW - 30 * MINUTE)
    assert [s.status for s in quiet] == ["complete", "pending"]
    later = states(span, "settled", claims, GridRules(True, 10 * MINUTE, DAY, HOUR, settle_every=8 * HOUR), NOW + 10 * MINUTE)
    assert [s.status for s in later] == ["complete", "open"]


@pytest.mark.parametrize(
    ("kinds", "expected"), [(["live"], "unproven"), (["live", "sampled"], "sampled"), (["live", "complete"], "complete")]
)
def test_a_stream_counts_as_its_best_claim(kinds, expected):
    rules = GridRules(False, 0, DAY, MINUTE)
    span = Interval(NOW - HOUR, NOW - HOUR + MINUTE)
    assert states([span], "stream", [claim(k, span.start, span.end, grid="stream") for k in kinds], rules, NOW)[0].status == expected


def test_a_hole_names_its_cause_and_damage_names_itself():
    rules = GridRules(False, 0, DAY, MINUTE)
    spans = [Interval(NOW - HOUR, NOW - HOUR + 2 * MINUTE)]
    hole = claim("hole", NOW - HOUR, NOW - HOUR + MINUTE, grid="stream", cause="disconnected")
    found = states(spans, "stream", [hole], rules, NOW, damage=[Damage("A", NOW - HOUR + MINUTE, NOW - HOUR + 90_000, NOW)])
    assert [(s.reason, len(s.span)) for s in found] == [("disconnected", MINUTE), ("damaged", MINUTE // 2), ("unknown", MINUTE // 2)]


def test_the_watermark_passes_unproven_time_and_stops_at_a_gap():
    found = [
        State(Interval(0, 10), "complete"),
        State(Interval(10, 20), "unproven"),
        State(Interval(20, 30), "open"),
        State(Interval(30, 40), "pending"),
    ]
    assert watermark(found) == 20
    assert watermark([State(Interval(0, 10), "open")]) is None


def test_a_want_reaches_its_end_or_a_horizon_past_its_last_assertion():
    alive = Want("s", "1", "A", "5m", NOW - HOUR, NOW - 30 * MINUTE)
    over = Want("s", "0", "A", "5m", NOW - 5 * HOUR, NOW, ended=NOW - 4 * HOUR)
    assert wanted([alive, over], "5m", 15 * MINUTE, NOW) == (
        Interval(NOW - 5 * HOUR, NOW - 4 * HOUR),
        Interval(NOW - HOUR, NOW - 15 * MINUTE),
    )


class Sessions:
    """Wants of one instrument's stream: a session that died and reaches ten minutes further, and those after it."""

    DIED = NOW - HOUR
    REACH = DIED + 10 * MINUTE

    @classmethod
    def want(cls, session, start, asserted, ended=None, spec="s"):
        return Want(spec, session, "A", "stream", cls.DIED + start, cls.DIED + asserted, None if ended is None else cls.DIED + ended)

    @classmethod
    def wanted(cls, *wants):
        return wanted([cls.want("died", -HOUR, 0), *wants], "stream", 10 * MINUTE, NOW)


def test_a_dead_session_wants_no_more_than_the_next_one_that_was_ended_within_its_horizon():
    after = Sessions.want("next", MINUTE, 2 * MINUTE, ended=3 * MINUTE)
    assert Sessions.wanted(after) == (Interval(Sessions.DIED - HOUR, Sessions.DIED + 3 * MINUTE),)


def test_of_several_sessions_that_were_ended_within_the_horizon_of_a_dead_one_the_first_ends_it():
    first, second = (Sessions.want(str(n), n * MINUTE, n * MINUTE, ended=(n + 1) * MINUTE) for n in (1, 5))
    assert Sessions.wanted(first, second) == (
        Interval(Sessions.DIED - HOUR, Sessions.DIED + 2 * MINUTE),
        Interval(Sessions.DIED + 5 * MINUTE, Sessions.DIED + 6 * MINUTE),
    )


@pytest.mark.parametrize(
    "other",
    [
        Sessions.want("other spec", MINUTE, 2 * MINUTE, 3 * MINUTE, spec="t"),
        Sessions.want("beside it, since before it died", -MINUTE, 2 * MINUTE, 3 * MINUTE),
        Sessions.want("long after", 11 * MINUTE, 12 * MINUTE, 12 * MINUTE),
    ],
    ids=lambda want: want.session,
)
def test_nothing_else_shortens_what_a_dead_session_wanted(other):
    assert Sessions.wanted(other)[0] == Interval(Sessions.DIED - HOUR, Sessions.REACH)


def test_a_session_that_asserts_again_after_another_was_ended_wants_all_of_it():
    after = Sessions.want("next", MINUTE, 2 * MINUTE, ended=3 * MINUTE)
    again = Sessions.want("died", -HOUR, 4 * MINUTE)
    assert wanted([*join_wants([Sessions.want("died", -HOUR, 0), again]), after], "stream", 10 * MINUTE, NOW) == (
        Interval(Sessions.DIED - HOUR, Sessions.DIED + 14 * MINUTE),
    )
