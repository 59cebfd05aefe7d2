"""Contracts of which there is something and that are in no list of contracts, as where a list went after its segments: found, and told."""

from __future__ import annotations

import pytest

from perptape.datasets import DATASETS
from perptape.errors import UsageError
from perptape.interval import NS
from perptape.store.unlisted import ids_there
from support.published import Published
from support.tapes import START, VENUES, name_of, write

VENUE, OTHER = VENUES[:2]
NAME, LIST = name_of(VENUE), f"perptape/instruments/{VENUE}.parquet"


def test_a_list_that_is_gone_is_found_and_a_run_and_a_publish_mend_it() -> None:
    one = Published().written()
    assert one.found() == []
    del one.bucket.objects[LIST]
    assert one.found() == [("unlisted", LIST)]
    assert f"1 contract is in no list of contracts, and there are rows or coverage: the first is {NAME}" in one.tape.verify()[0].message
    list(write(one.tape, lambda: one.ms, "again", [VENUE]))
    assert one.found() == []
    assert one.published().found() == []


def test_a_list_that_cannot_be_read_is_not_found_a_second_time() -> None:
    one = Published().written()
    one.bucket.objects[LIST] = (b"broken", "broken", one.ms)
    assert one.found() == [("unreadable", LIST)]


def test_rows_that_nothing_claims_are_of_a_contract_too() -> None:
    one = Published().written()
    row = ("ETHUSDT-PERP.BINANCE", 1.5, None, None, "contracts", 0, one.ms * NS, START * NS, START * NS)
    one.tape.commit(VENUE, "open_interest", DATASETS["open_interest"].table([row]), (), (), "fetch", lambda: one.ms)
    assert one.published().found() == [("unlisted", LIST)]
    assert ids_there(one.tape, VENUE, "open_interest", [row[0], "DOGEUSDT-PERP.BINANCE", "SOL"]) == {NAME, row[0]}


def test_who_reads_by_another_name_is_told_the_id_though_no_list_has_it() -> None:
    one = Published().written()
    del one.bucket.objects[LIST]
    assert one.tape.read("funding", NAME).num_rows > 0
    with pytest.raises(UsageError, match=f"has nothing of BTCUSDT-PERP; nearest: {NAME}"):
        one.tape.read("funding", "BTCUSDT-PERP")
