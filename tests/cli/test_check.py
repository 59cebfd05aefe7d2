"""What `perptape verify FILE` counts as wrong, and what it leaves for Kubernetes."""

import json
from dataclasses import replace
from typing import get_args

import pytest

from perptape.cli import left
from perptape.cli.check import amiss, in_order, in_short, place, remedy
from perptape.cli.order import Order
from perptape.collect.audit import Audited
from perptape.collect.outcome import Outcome
from perptape.collect.stamps import Measured
from perptape.settings import Settings
from perptape.store.replicas import Agreement
from perptape.store.verify import Kind
from perptape_api.document import load


@pytest.mark.parametrize(
    ("audited", "more", "wrong", "said"),
    [
        (Audited(3, 30), {}, False, "binance funding: 30 rows asked again: all the same"),
        (Audited(3, 30, revised=1), {}, False, "binance funding: 30 rows asked again: 1 revised"),
        (Audited(3, 30, missing=1), {}, True, "binance funding: 30 rows asked again: 1 missing"),
        (Audited(3), {"skipped": ["X: refused"]}, True, "binance funding: nothing could be compared; skipped: X: refused"),
        (Audited(3), {"remaining": 3}, True, "binance funding: nothing could be compared"),
        (Audited(3, 30), {"remaining": 1}, False, "binance funding: 30 rows asked again: all the same"),
        (Audited(), {}, False, "binance funding: nothing final is kept of it yet that could be asked for again"),
        (None, {"error": "banned"}, True, "binance funding: not asked; banned"),
    ],
)
def test_what_is_wrong_and_how_it_is_said(audited, more, wrong, said):
    one = Outcome("binance", "funding", audited=audited, **more)
    assert (amiss(one), in_short(one)) == (wrong, said)


def test_a_report_of_a_check_that_failed_does_not_say_that_all_is_well():
    fine = json.loads(left.verified(Settings(), 0, 0, 5, ["a"]))
    assert fine["notes"] == ["the store is as it should be", "a"]
    assert json.loads(left.verified(Settings(), 1, 0, 5, ["a: banned", "b"]))["notes"] == ["a: banned", "b"]
    assert json.loads(left.verified(Settings(), 1, 2, 5, ["a"]))["notes"][0].startswith("2 things")


def test_the_tape_that_is_checked_is_the_one_whose_venues_are_asked():
    text = """
apiVersion: perptape.io/v1alpha1
kind: CollectionSpec
metadata: {name: majors}
spec:
  venues: [{exchange: binance}]
  symbols: {names: [BTCUSDT-PERP]}
  collect: {funding: {}}
  store: {s3: {bucket: tape, prefix: a}}
"""
    order = Order(load(text, "majors.yaml"), "majors.yaml")
    assert place(None, Settings(), order).location == "s3://tape/a"
    assert place("/elsewhere", Settings(), order).location == "/elsewhere"
    assert place(None, Settings(), None).location != "s3://tape/a"


def test_what_is_wrong_comes_first_and_then_what_a_venue_means_otherwise():
    measured = Measured("okx", "instant", {"start": 40})
    audits = [
        Outcome("binance", "open_interest", audited=Audited(3, 30, measured=replace(measured, assumed="start"))),
        Outcome("okx", "open_interest", audited=Audited(3, 30, measured=measured)),
        Outcome("okx", "funding", audited=Audited(3, 30, missing=1)),
    ]
    assert not amiss(audits[1])  # no row is wrong
    agreed = Agreement("binance", 60_000, 10, 1, 12, 2)
    wrong, warning, replicas, *right = in_order(audits, [agreed])
    assert wrong.startswith("okx funding: ")
    assert (warning, replicas) == (measured.warning, str(agreed))
    assert [line.split(":")[0] for line in right] == ["binance open_interest", "okx open_interest"]


MENDS = {
    "unreadable": "`perptape verify --repair`",
    "claim": "`perptape verify --repair`",
    "rows": "a file that a backup has is to be put back before that",
    "unclaimed": "`perptape run FILE` asks for again while its venue serves it",
    "newer": "use the newer perptape",
    "unlisted": "`perptape run FILE` lists again",
    "log": "until a log can be read",
    **dict.fromkeys(("unpublished", "coverage"), "`perptape publish` mends"),
    **dict.fromkeys(("order", "duplicate", "overlap", "name", "stray"), "move it away"),
}


def test_every_kind_of_finding_has_its_remedy():
    assert MENDS.keys() == set(get_args(Kind))
    assert [kind for kind, said in MENDS.items() if said not in remedy([kind])] == []


@pytest.mark.parametrize("strange", ["order", "duplicate", "overlap", "name", "stray"])
@pytest.mark.parametrize("other", ["unreadable", "claim", "rows", "unclaimed", "unlisted", "newer", "log", "unpublished", "coverage"])
def test_of_a_file_that_is_strange_it_is_said_what_to_do_whatever_else_is_found(strange, other):
    said = remedy([other, strange])
    assert (MENDS[other] in said, said.count(MENDS[strange])) == (True, 1)
