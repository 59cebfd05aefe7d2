"""Suspending, resuming, deleting and coming back: what is kept, what goes, and what is not asked for again."""

from typing import Any

from support import reader
from support.control import Control
from support.namespace import Namespace, condition, ending, line
from support.specs import VOLUME, collection, some

FIVE = 5 * 60_000
COLLECT: dict[str, Any] = {"openInterest": {"every": "5m", "backfill": "1d"}}
HISTORY = "/futures/data/openInterestHist"


def done(status: dict[str, Any]) -> object:
    return line(status, "binance", "open_interest").get("watermark")


def windows(simulated: Control, since: int) -> list[tuple[int, int]]:
    """(start, end) in ms of every request for Binance's history of open interest."""
    calls = [call for call in simulated.data_requests("binance") if call["path"] == HISTORY and call["at"] >= since]
    return [(int(call["query"]["startTime"]), int(call["query"]["endTime"])) for call in calls]


def test_suspend_resume_delete_and_adopt(home: Namespace) -> None:
    simulated = home.venues("--symbols", "3")
    document = collection("life", some(simulated.endpoints, "binance"), COLLECT, VOLUME)
    home.apply(document)
    first = line(home.until_told("life", done, 300), "binance", "open_interest")

    home.apply({**document, "spec": {**document["spec"], "suspend": True}})
    status = home.until_told("life", lambda told: condition(told, "Ready").get("reason") == "Suspended")
    assert line(status, "binance", "open_interest")["state"] == "Suspended"
    assert home.get("cronjob", "life-binance-open-interest")["spec"]["suspend"] is True

    home.apply({**document, "spec": {**document["spec"], "suspend": False}})
    home.until_told("life", lambda told: condition(told, "Ready").get("reason") != "Suspended")
    assert home.get("cronjob", "life-binance-open-interest")["spec"]["suspend"] is False

    claim = home.get("pvc", "life-tape")["metadata"]["uid"]
    home.kubectl("delete", "cspec", "life")
    for kind in ("cronjobs", "configmaps", "networkpolicies", "jobs", "pods"):
        home.kubectl("wait", kind, "--for=delete", "--selector", "perptape.io/spec=life", "--timeout=90s")
    assert set(home.children("life")) == {"PersistentVolumeClaim/life-tape"}

    since = simulated.now("binance")
    simulated.skew(binance=3 * FIVE)
    home.apply(document)
    again = line(home.until_told("life", lambda told: done(told) and done(told) > first["watermark"], 300), "binance", "open_interest")
    assert home.get("pvc", "life-tape")["metadata"]["uid"] == claim
    assert again["gaps"] == {"open": 0, "lost": 0, "unproven": 0}
    final = reader.ms(first["watermark"]) - FIVE  # the newest bucket may be asked for twice until it is final
    asked = windows(simulated, since)
    assert asked
    assert [window for window in asked if window[1] <= final] == []
    tape = reader.of_claim(home, "life-tape")
    times = sorted(tape.open_interest("BTCUSDT-PERP", "binance"))
    assert times == list(range(times[0], times[-1] + 1, FIVE))
    tape.sound()


def test_a_spec_made_anew_at_once_or_with_its_orphans_there_takes_them_over(home: Namespace) -> None:
    document = collection("anew", {"binance": "http://venues:18101"}, COLLECT, VOLUME, suspend=True)
    home.apply(document)
    home.until_told("anew", lambda told: condition(told, "Ready").get("reason") == "Suspended")
    for how in ("background", "orphan"):
        old = home.get("cspec", "anew")["metadata"]["uid"]
        home.kubectl("delete", "cspec", "anew", f"--cascade={how}", "--wait=true")
        home.apply(document)
        new = home.until_told("anew", lambda told: condition(told, "Ready").get("reason") == "Suspended", 180) and home.get("cspec", "anew")
        assert new["metadata"]["uid"] != old
        children = home.children("anew")
        assert len(children) == 5
        owned = {child["metadata"]["ownerReferences"][0]["uid"] for name, child in children.items() if not name.startswith("Persistent")}
        assert owned == {new["metadata"]["uid"]}


def test_two_specs_share_a_store_and_both_tell_of_their_own(home: Namespace) -> None:
    simulated = home.venues("--symbols", "3")
    home.apply(collection("one", some(simulated.endpoints, "binance"), COLLECT, VOLUME))
    home.until_told("one", done, 300)
    shared = {"persistentVolumeClaim": {"claimName": "one-tape"}}
    home.apply(collection("two", some(simulated.endpoints, "bybit"), {"funding": {"every": "1h", "backfill": "3d"}}, shared))
    two = home.until_told("two", lambda told: line(told, "bybit", "funding").get("watermark"), 300)
    one = home.get("cspec", "one")["status"]
    assert [(entry["exchange"], entry["dataset"]) for entry in one["collections"]] == [("binance", "open_interest")]
    assert [(entry["exchange"], entry["dataset"]) for entry in two["collections"]] == [("bybit", "funding")]
    assert {entry["state"] for entry in (*one["collections"], *two["collections"])} == {"Ok"}
    for spec in ("one", "two"):
        assert ending(home.run_now(f"{spec}-publish", f"publish-{spec}")) == "Complete"
    tape = reader.of_claim(home, "one-tape")
    tape.sound()
    assert tape.open_interest("BTCUSDT-PERP", "binance")
    assert tape.funding("BTCUSDT-PERP", "bybit")
    home.apply(collection("three", some(simulated.endpoints, "okx"), COLLECT, {**shared, "format": "nautilus2"}))
    three = home.until_told("three", lambda told: condition(told, "Ready").get("reason") == "FormatConflict")
    assert condition(three, "StoreReady")["reason"] == "FormatConflict"
