"""Shares never exceed what a venue allows, nobody starves, and a refusal reaches everyone."""

from hypothesis import given
from hypothesis import strategies as st

from perptape_operator.budget import BAN_S, FLOOR, LEARNING_S, Ledger, Post, answered, ease, shares

PART = st.floats(0, 1)
RUNNING = LEARNING_S + 1


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.tuples(PART, PART), min_size=1, max_size=12), st.floats(0.01, 1))
def test_shares_are_everything_and_no_more_with_a_floor_for_each(wants: dict[str, tuple[float, float]], total: float) -> None:
    found = shares(wants, total)
    assert abs(sum(found.values()) - total) < 1e-9
    assert min(found.values()) >= total * FLOOR / len(wants) - 1e-12


def test_what_is_fresh_comes_before_the_past() -> None:
    found = shares({"fresh": (0.5, 0.0), "past": (0.0, 1.0)}, 1.0)
    assert found["fresh"] >= 0.5 - 1e-9


@given(st.lists(st.tuples(st.sampled_from("abcde"), PART, PART, st.sampled_from([None, None, None, 429, 418])), max_size=60))
def test_what_is_granted_never_sums_to_more_than_the_operators_part(posts: list[tuple[str, float, float, int | None]]) -> None:
    ledger, now = Ledger(), 0.0
    for pod, fresh, backfill, refused in posts:
        now += 0.7
        post = Post(held=1.0, fresh=fresh, backfill=backfill, refused=refused)
        ledger, answer = answered(ledger, pod, post, now, alive=None, fraction=0.8, since_start=RUNNING)
        assert 0 <= answer.share <= 0.8 + 1e-9
        if refused is None and ease(ledger, now) == 1.0:
            assert sum(one.granted for one in ledger.holders.values()) <= 0.8 + 1e-9


def test_a_newcomer_gets_its_fair_share_once_the_others_know_theirs() -> None:
    ledger = Ledger()
    ledger, first = answered(ledger, "a", Post(), 0, alive=None, fraction=1.0, since_start=RUNNING)
    ledger, second = answered(ledger, "b", Post(), 1, alive=None, fraction=1.0, since_start=RUNNING)
    assert (round(first.share, 9), second.share, second.wait) == (1.0, 0.0, True)
    ledger, first = answered(ledger, "a", Post(), 2, alive=None, fraction=1.0, since_start=RUNNING)
    ledger, second = answered(ledger, "b", Post(), 3, alive=None, fraction=1.0, since_start=RUNNING)
    assert (round(first.share, 9), round(second.share, 9)) == (0.5, 0.5)


def test_a_ban_reaches_every_pod_at_its_next_post() -> None:
    ledger = Ledger()
    for pod in "abc":
        ledger, _ = answered(ledger, pod, Post(), 0, alive=None, fraction=1.0, since_start=RUNNING)
    ledger, _ = answered(ledger, "a", Post(refused=418), 1, alive=None, fraction=1.0, since_start=RUNNING)
    for pod in "bc":
        ledger, answer = answered(ledger, pod, Post(), 3, alive=None, fraction=1.0, since_start=RUNNING)
        assert answer.wait
        assert answer.pause_s == BAN_S - 2


def test_a_refusal_halves_what_is_used_and_it_grows_back() -> None:
    ledger, _ = answered(Ledger(), "a", Post(refused=429), 0, alive=None, fraction=1.0, since_start=RUNNING)
    ledger, _ = answered(ledger, "a", Post(refused=429), 1, alive=None, fraction=1.0, since_start=RUNNING)
    assert (ease(ledger, 2), ease(ledger, 61)) == (0.5, 1.0)


def test_a_restarted_operator_grants_nothing_until_it_has_heard_the_pods() -> None:
    ledger, answer = answered(Ledger(), "a", Post(held=0.6), 0, alive=None, fraction=1.0, since_start=2)
    assert answer.wait
    ledger, answer = answered(ledger, "b", Post(), LEARNING_S + 1, alive=None, fraction=1.0, since_start=LEARNING_S + 1)
    assert answer.share <= 0.4 + 1e-9, "what the first holds is not granted again"


def test_pods_that_are_gone_give_their_share_back() -> None:
    ledger, _ = answered(Ledger(), "a", Post(), 0, alive=None, fraction=1.0, since_start=RUNNING)
    _, answer = answered(ledger, "b", Post(), 1, alive={"b"}, fraction=1.0, since_start=RUNNING)
    assert round(answer.share, 9) == 1.0
