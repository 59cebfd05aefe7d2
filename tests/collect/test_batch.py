"""Rows and their claims leave together, often enough, and whatever becomes of others."""

import pytest

from perptape.claims import Claim
from perptape.collect import batch
from perptape.collect.batch import Batch, commit_all
from perptape.errors import StoreError

ROW = ("A", "0.0001", 480, 0, 1, 1, 1)


class Store:
    """Takes segments, or refuses them."""

    def __init__(self):
        self.now, self.segments, self.refuses = 0.0, [], False

    def commit(self, dataset, rows, claims, wants):
        if self.refuses:
            raise StoreError(f"{dataset}: the disk is full")
        self.segments.append((dataset, rows.num_rows, len(claims)))
        return "name"

    def batch(self):
        return Batch("funding", self.commit, lambda: self.now)


def claim(start):
    return Claim("A", "settled", "complete", start, start + 1)


async def test_a_long_fill_commits_a_segment_every_minute():
    store = Store()
    one = store.batch()
    await one.add([ROW], [claim(0)])
    store.now = batch.SECONDS - 1
    await one.add([ROW], [claim(10)])
    assert store.segments == []
    store.now = batch.SECONDS
    await one.add([ROW], [claim(20)])
    assert store.segments == [("funding", 3, 3)]
    store.now += batch.SECONDS - 1
    await one.add([ROW], [claim(30)])
    assert len(store.segments) == 1


async def test_a_long_fill_commits_a_segment_once_enough_rows_came_together():
    store = Store()
    one = store.batch()
    await one.add([ROW] * (batch.ROWS - 1), [claim(0)])
    assert store.segments == []
    await one.add([ROW], [claim(10)])
    assert store.segments == [("funding", batch.ROWS, 2)]


async def test_what_the_store_refuses_is_kept_with_its_claims_and_others_are_committed():
    full, well = Store(), Store()
    full.refuses = True
    first, second = full.batch(), well.batch()
    await first.add([ROW], [claim(0)])
    await second.add([ROW], [claim(0)])
    with pytest.raises(StoreError, match="disk is full"):
        await commit_all([first, second])
    assert well.segments == [("funding", 1, 1)]
    full.refuses = False
    await commit_all([first, second])
    assert full.segments == well.segments == [("funding", 1, 1)]
