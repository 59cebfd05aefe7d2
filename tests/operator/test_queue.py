"""The keyed queue: each key once, one worker at a time, again later when it failed."""

from hypothesis import given
from hypothesis import strategies as st

from perptape_operator.queue import LONGEST_RETRY_S, Schedule


def test_a_key_added_while_it_runs_runs_once_more_after() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 0)
    schedule.add("a", 0)
    assert (schedule.take(0), schedule.take(0)) == ("a", None)
    schedule.add("a", 0)
    assert schedule.take(0) is None
    schedule.done("a")
    assert (schedule.take(0), schedule.take(0)) == ("a", None)


def test_retries_double_up_to_a_limit_and_success_forgets() -> None:
    schedule: Schedule[str] = Schedule()
    waits = []
    for _ in range(12):
        schedule.add("a", 0)
        assert schedule.take(10**9) == "a"
        waits.append(schedule.failed("a", 0, 0.5))
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == LONGEST_RETRY_S
    schedule.add("a", 0)
    schedule.take(0)
    schedule.done("a")
    assert schedule.failing() == 0


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "done", "fail"]), st.integers(0, 3), st.integers(0, 5)), max_size=80))
def test_nothing_added_is_ever_lost_and_no_key_runs_twice_at_once(steps: list[tuple[str, int, int]]) -> None:
    schedule: Schedule[int] = Schedule()
    now, running, owed = 0.0, set(), set()
    for what, key, passed in steps:
        now += passed
        if what == "add":
            schedule.add(key, now)
            owed.add(key)
        elif what == "take":
            taken = schedule.take(now)
            if taken is not None:
                assert taken not in running
                running.add(taken)
                owed.discard(taken)
        elif key in running:
            running.discard(key)
            if what == "fail":
                schedule.failed(key, now, 0.5)
                owed.add(key)
            else:
                schedule.done(key)
    for key in list(running):
        schedule.done(key)
    taken_now = set()
    while (due := schedule.next_due()) is not None:
        taken = schedule.take(max(now, due))
        assert taken is not None
        taken_now.add(taken)
        schedule.done(taken)
    assert taken_now == owed
