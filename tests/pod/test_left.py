"""What a pod leaves behind for Kubernetes, as the operator reads it, however it ended."""

import json

import pytest

from perptape.cli import left
from perptape.errors import FormatConflict, OriginConflict, StoreError, StoreFull, UsageError
from perptape.settings import Settings
from perptape.store.publish_report import PublishReport
from perptape.store.s3_errors import NoBucket, Refused
from perptape.store.tape import Tape
from perptape_api import names
from perptape_operator import report
from perptape_operator.report import Folded, Report

NOW = 1_800_000_000_000
POD = Settings(writer="pod-0", work_hash="0123456789abcdef")


def read(text, pod="pod-0"):
    found = report.read(text, pod, NOW)
    assert isinstance(found, Report), found
    return found


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreError("the server fails"), "StoreUnusable"),
        (StoreFull("the disk is full"), "StoreFull"),
        (Refused("it does not accept the credentials"), "StoreCredentials"),
        (NoBucket("there is no bucket"), "StoreMissing"),
        (OriginConflict("it holds data of origin live"), "OriginConflict"),
        (FormatConflict("it was made in format nautilus2"), "FormatConflict"),
    ],
)
def test_a_store_that_cannot_be_used_is_named_with_its_reason(error, reason):
    found = read(left.failure(POD, 3, error, NOW))
    assert (found.store_error, found.store_reason) == (str(error), reason)
    assert (found.exit, found.work_hash, found.finished) == (3, POD.work_hash, NOW)


def test_any_other_failure_is_a_note():
    found = read(left.failure(POD, 2, UsageError("no venue knows BTC-PREP\ndid you mean BTC-PERP?"), NOW))
    assert found.notes == ("no venue knows BTC-PREP; did you mean BTC-PERP?",)
    assert found.store_error == ""
    assert len(left.failure(POD, 3, ValueError("x" * 90_000), NOW).encode()) < 4000


def test_a_publisher_tells_what_is_left_without_what_only_awaits_its_hour():
    one = PublishReport("okx", "funding", segments=9, oldest=NOW - 9_000, unfolded=2, oldest_unfolded=NOW - 5_000)
    other = PublishReport("bybit", "funding", segments=3, oldest=NOW - 99_000, error="the disk is full")
    assert read(left.published(POD, 1, [one, other], NOW)).publisher == Folded(
        segments=2, oldest=NOW - 5_000, lease="pod-0", error="bybit funding: the disk is full"
    )
    assert read(left.published(POD, 0, [], NOW)).publisher == Folded(lease="pod-0")


def test_a_publisher_that_found_another_at_work_claims_nothing():
    found = read(left.published(POD, 0, [PublishReport("okx", "funding", lease=False)], NOW))
    assert found.publisher is None
    assert found.notes == ("another publisher was at work on this tape",)


@pytest.mark.slow
def test_a_pod_leaves_a_report_whatever_becomes_of_it(pods, tmp_path):
    def leaves(name, *arguments, **more):
        environ = pods.environ(spec, "bybit", "funding", name, **more)
        found = pods.simulated.run(*arguments, **environ)
        text = (tmp_path / f"{name}.termination").read_text()
        told = report.read(text, name, 1 << 60)
        assert isinstance(told, Report), (told, text)
        assert told.exit == found.returncode, found.stderr
        return told

    spec = pods.mount("{funding: {backfill: 2d}}", "bybit", "BTCUSDT-PERP")
    run = ("run", spec, "--once", "--exchange", "bybit", "--dataset", "funding")
    for early in ("publish", "verify"):
        assert leaves(f"pod-early-{early}", early).exit == 0, "its schedule came before the end of the first run: nothing is wrong"
    well = leaves("pod-well", *run)
    assert (well.exit, well.collected("bybit", "funding").rows > 3) == (0, True)
    published = leaves("pod-publish", "publish")
    assert published.publisher.segments == 0, "what was folded only awaits its hour"
    assert Tape.open(str(tmp_path / "tape")).fs.list("perptape/segments"), "and is still there"
    assert leaves("pod-verify", "verify").exit == 0

    unknown = pods.mount("{funding: {backfill: 2d}}", "bybit", "BTCUSTD-PERP")
    refused = leaves("pod-symbol", "run", unknown, "--once", "--exchange", "bybit", "--dataset", "funding")
    assert refused.exit == 2
    assert "BTCUSTD-PERP" in refused.notes[0]
    (tmp_path / "tape/perptape/store.json").write_text(
        json.dumps(json.loads((tmp_path / "tape/perptape/store.json").read_text()) | {"origin": "live"})
    )
    spec = pods.mount("{funding: {backfill: 2d}}", "bybit", "BTCUSDT-PERP")
    conflict = leaves("pod-origin", *run)
    assert (conflict.exit, conflict.store_reason) == (2, "OriginConflict")
    away = leaves("pod-store", *run, **{names.ENV_CATALOG: "/proc/tape"})
    assert (away.exit, away.store_reason) == (3, "StoreUnusable")
