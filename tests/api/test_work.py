"""The work hash changes with what a child works on, and with nothing else."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from perptape_api.collection import parse
from perptape_api.work import work_hash, work_slice

Document = dict[str, Any]


def hashed(document: Document, exchange: str = "binance", dataset: str = "open_interest") -> str:
    return work_hash(parse(document, "x").spec, exchange, dataset)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["venues"][0].update(endpoint="http://proxy"),
        lambda s: s["symbols"]["names"].append("ADAUSDT-PERP"),
        lambda s: s["symbols"].update(exact=True),
        lambda s: s.update(symbols={"select": {"top": 3}}),
        lambda s: s["collect"]["openInterest"].update(every="10m"),
        lambda s: s["collect"]["openInterest"].update(backfill="1d"),
        lambda s: s["store"].update(format="nautilus2"),
        lambda s: s.update(store={"persistentVolumeClaim": {"claimName": "other"}}),
        lambda s: s.update(store={"s3": {"bucket": "tape"}}),
    ],
)
def test_what_a_child_works_on_is_in_its_hash(majors: Document, change: Callable[[Document], None]) -> None:
    before = hashed(majors)
    change(majors["spec"])
    assert hashed(majors) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(suspend=True),
        lambda s: s["collect"]["openInterest"].update(mode="resident"),
        lambda s: s["collect"]["funding"].update(every="2h"),
        lambda s: s["collect"]["liquidations"].update(replicas=3),
        lambda s: s["venues"][0].update(credentials={"secretName": "keys"}),
        lambda s: s["venues"][1].update(endpoint="http://proxy"),
        lambda s: s["venues"].pop(),
        lambda s: s["symbols"]["names"].reverse(),
        lambda s: s["store"].update(publishEvery="1h"),
        lambda s: s["store"]["persistentVolumeClaim"].update(size="20Gi"),
        lambda s: s.update(verify={"every": "12h"}),
        lambda s: s.update(worker={"nodeSelector": {"a": "b"}}),
    ],
)
def test_what_is_none_of_its_work_is_not(majors: Document, change: Callable[[Document], None]) -> None:
    before = hashed(majors)
    change(majors["spec"])
    assert hashed(majors) == before


def test_a_streams_room_is_part_of_its_work_and_the_usual_room_is_not_said(majors: Document) -> None:
    """Collectors from before the field was there are not rolled by it."""
    found = []
    for said in ({}, {"logReserve": "64Mi"}, {"logReserve": "65536Ki"}, {"logReserve": "256Mi"}):
        majors["spec"]["collect"]["liquidations"] = said
        found.append(hashed(majors, dataset="liquidations"))
    assert found[0] == found[1] == found[2] != found[3]


def test_a_day_is_twenty_four_hours(majors: Document) -> None:
    other = copy.deepcopy(majors)
    majors["spec"]["collect"]["openInterest"]["backfill"] = "2d"
    other["spec"]["collect"]["openInterest"]["backfill"] = "48h"
    assert hashed(majors) == hashed(other)


def test_each_child_has_a_hash_of_its_own(majors: Document) -> None:
    spec = parse(majors, "x").spec
    hashes = {work_hash(spec, venue.exchange, dataset) for venue in spec.venues for dataset in spec.wanted()}
    assert len(hashes) == len(spec.venues) * 3
    assert all(len(value) == 16 for value in hashes)


def test_the_hash_is_the_same_in_every_version(examples: dict[str, str]) -> None:
    """A release that changed it would roll every streamer of every cluster: change this value only knowing that."""
    from perptape_api.collection import load

    assert work_hash(load(examples["majors"], "majors.yaml").spec, "bybit", "liquidations") == "b72d378c6c6d3d03"


def test_what_is_not_wanted_has_no_slice(majors: Document) -> None:
    del majors["spec"]["collect"]["funding"]
    spec = parse(majors, "x").spec
    with pytest.raises(KeyError):
        work_slice(spec, "binance", "funding")
    with pytest.raises(KeyError):
        work_slice(spec, "ftx", "liquidations")
