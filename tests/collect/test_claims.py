"""Claims are a join: order, repeats and grouping change nothing, and the value at each point is the join of the values there."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from perptape.claims import KINDS, NOBODY, Claim, Want, join, join_wants
from perptape.coverage import Coverage
from perptape.damage import Damage
from perptape.store.record import claims_of_text, claims_text

claims = st.lists(
    st.builds(
        lambda i, g, k, s, n, basis, a, b, c, cause: Claim(i, g, k, s, s + n, basis, a, a + b, frozenset(c), cause),
        st.sampled_from("AB"),
        st.sampled_from(["5m", "stream"]),
        st.sampled_from(KINDS),
        st.integers(0, 20),
        st.integers(0, 8),
        st.sampled_from(["", "connection", "feed"]),
        st.integers(0, 5),
        st.integers(0, 5),
        st.lists(st.sampled_from("xyz"), max_size=2),
        st.sampled_from(["", "disconnected"]),
    ),
    max_size=10,
)


def pointwise(some):
    """The definition: for each key and millisecond the joined value. What was asked stands beside what was with another cause."""
    out = {}
    for c in some:
        for t in range(c.start, c.end):
            key = (c.instrument, c.grid, c.kind, c.cause if c.kind == "asked" else "", t)
            value = (c.basis, c.asked_first, c.asked_last, c.connections, c.cause)
            if key in out:
                o = out[key]
                value = (max(o[0], value[0]), min(o[1], value[1]), max(o[2], value[2]), o[3] | value[3], max(o[4], value[4]))
            out[key] = value
    return out


@given(claims)
def test_the_join_is_pointwise(some):
    joined = join(some)
    assert pointwise(joined) == pointwise(some)
    assert sum(c.end - c.start for c in joined) == len(pointwise(some))


@given(claims, claims, claims)
def test_joining_is_commutative_associative_and_idempotent(a, b, c):
    whole = join([*a, *b, *c])
    assert join([*c, *a, *b]) == whole
    assert join([*join([*a, *b]), *c]) == whole == join([*a, *join([*b, *c])])
    assert join([*whole, *whole, *a]) == whole


@given(claims, claims)
def test_coarse_asking_times_still_join(a, b):
    def coarse(some):
        return [replace(c, asked_first=c.asked_first * 7_000_000, asked_last=c.asked_last * 30_000_000).coarse() for c in some]

    assert join([*coarse(a), *coarse(b)]) == join([*join(coarse(a)), *join(coarse(b))])
    assert join(c.coarse() for c in join([*a, *b])) == join(c.coarse() for c in [*a, *b])


def test_an_end_beats_later_assertions_of_its_session():
    first = Want("s", "1", "A", "5m", 100, 200)
    ended = Want("s", "1", "A", "5m", 150, 250, ended=240)
    later = Want("s", "1", "A", "5m", 150, 900)
    (joined,) = join_wants([later, ended, first])
    assert (joined.start, joined.asserted_at, joined.ended, joined.reach(600)) == (100, 900, 240, 240)


def test_damage_masks_what_was_last_asked_before_it_and_nothing_else():
    old = Claim("A", "5m", "complete", 0, 100, "", 10, 10)
    asked_again = Claim("A", "5m", "complete", 40, 60, "", 300, 300)
    hole = Claim("A", "5m", "hole", 0, 100, cause="disconnected")
    coverage = Coverage.of([old, asked_again, hole], damage=[Damage("A", 20, 80, 200)])
    assert [(c.start, c.end) for c in coverage.of_grid("A", "5m") if c.kind == "complete"] == [(0, 20), (40, 60), (80, 100)]
    assert [(c.start, c.end) for c in coverage.of_grid("A", "5m") if c.kind == "hole"] == [(0, 100)]


def test_claims_that_no_connection_made_share_the_set_of_none():
    """A new empty one would take more than the claim itself."""
    heard = Claim("A", "stream", "live", 0, 10, "connection", 0, 10, frozenset({"c"}))
    again = [heard.coarse(), replace(heard, start=5, end=15).coarse()]
    read = claims_of_text(claims_text(join(again)))
    assert {id(claim.connections) for claim in (*again, *join(again), *read, Claim("A", "5m", "asked", 0, 1))} == {id(NOBODY)}
