"""Which spec stands in which one's way, step by step, is what all of them together say."""

from hypothesis import example, given
from hypothesis import strategies as st

from perptape_operator.cache import SpecKey
from perptape_operator.stores import Conflict, Keeping, Stores

KEYS = [SpecKey("trading", name) for name in "abcdef"]
PLACES = ["s3/server/tape", "s3/server/tape/a", "s3/server/tape/a/b", "s3/server/tape/c", "s3/server/other", "pvc/trading/tape"]
keepings = st.builds(Keeping, st.sampled_from(PLACES), st.sampled_from(["nautilus1", "nautilus2"]), st.sampled_from("123"))
steps = st.lists(st.tuples(st.sampled_from(KEYS), st.none() | keepings), max_size=30)


def standing(stores: Stores, kept: dict[SpecKey, Keeping]) -> dict[SpecKey, Conflict | None]:
    return {key: stores.conflict(key) for key in kept}


@given(steps)
@example(  # refused before and after, and not for the same reason
    [
        (KEYS[0], Keeping(PLACES[0], "nautilus2", "2")),
        (KEYS[1], Keeping(PLACES[0], "nautilus1", "1")),
        (KEYS[1], Keeping(PLACES[1], "nautilus1", "1")),
    ]
)
def test_each_step_leaves_what_all_together_say_and_names_whose_standing_it_changed(taken: list[tuple[SpecKey, Keeping | None]]) -> None:
    stores, kept = Stores(), dict[SpecKey, Keeping]()
    for key, keeping in taken:
        before = standing(stores, kept)
        if keeping is None:
            kept.pop(key, None)
            changed = stores.drop(key)
        else:
            kept[key] = keeping
            changed = stores.put(key, keeping)
        after, together = standing(stores, kept), Stores()
        together.put_all(kept)
        assert after == standing(together, kept)
        others = before.keys() & after.keys() - {key}
        assert changed == {one for one in others if before[one] != after[one]}
