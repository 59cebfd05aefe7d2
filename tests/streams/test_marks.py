"""What marks prove is claimed, once and for all, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.claims import Claim, join
from perptape.collect.mark_rules import Rules
from perptape.collect.marks import Proofs
from perptape.collect.stream_batch import Counts, Intake
from perptape.collect.stream_sink import AHEAD, ConnectionSink
from perptape.exchanges.base import Feed
from perptape.interval import HOUR, MINUTE, NS, SECOND, Interval, gaps, intersection, union
from perptape.store.coverage import Sayings
from perptape.store.log_record import Mark

A, B = "A-PERP.FAKE", "B-PERP.FAKE"
MARKET = Rules((A, B), push=2_000, quiet=10_000, kind="sampled", basis="one a second", market=True)
SYMBOL = replace(MARKET, kind="complete", basis="feed", market=False)
END = 10**9


def claimed(
    rules: Rules, marks: list[Mark], *, opened: int = 0, since: dict[str, int] | None = None, rolls: frozenset[int] = frozenset()
) -> list[Claim]:
    """All claims of a log with these marks, rolled after the marks of these numbers and at its end."""
    proofs = Proofs(rules, opened, since or {})
    claims: list[Claim] = []
    for number, mark in enumerate(marks):
        proofs.see(mark)
        if number in rolls:
            claims += proofs.claims(mark.time)
    return list(join([*claims, *proofs.claims(proofs.last)]))


def spans(claims: list[Claim], kind: str, instrument: str = A) -> list[tuple[int, int]]:
    found = union(c.span for c in claims if c.kind == kind and c.instrument == instrument)
    return [(span.start, span.end) for span in found]


def speaking(connection: str, start: int, end: int, *topics: str, step: int = 1_000) -> list[Mark]:
    """An acknowledgement, then control and feeds once a second."""
    marks = [Mark("acknowledged", connection, start)]
    for time in range(start + 100, end + 1, step):
        marks.append(Mark("control", connection, time))
        marks += [Mark("feed", connection, time, topic) for topic in topics]
    return marks


def test_a_connection_is_proven_from_its_first_control_message_to_its_last_less_the_push_interval() -> None:
    claims = claimed(MARKET, [*speaking("c", 0, 20_100, ""), Mark("closed", "c", 21_000)])
    assert spans(claims, "live") == spans(claims, "sampled") == [(100, 18_100)]
    assert {(c.kind, c.basis, c.connections) for c in claims if c.kind != "hole"} == {
        ("live", "connection", frozenset({"c"})),
        ("sampled", "one a second", frozenset({"c"})),
    }
    assert {c.instrument for c in claims} == {A, B}


def test_control_messages_before_the_acknowledgement_prove_nothing() -> None:
    assert claimed(MARKET, [Mark("control", "c", 1), Mark("control", "c", 50_000)]) == [
        c for i in (A, B) for c in [Claim(i, "stream", "hole", 0, 50_000, "", 0, 50_000, cause="disconnected")]
    ]


def test_a_stale_stamp_proves_nothing_before_the_acknowledgement() -> None:
    marks = [Mark("acknowledged", "c", 10_000), Mark("control", "c", 1_000), Mark("control", "c", 20_000)]
    assert spans(claimed(MARKET, marks), "live") == [(10_000, 18_000)]


def test_a_feed_that_was_silent_for_longer_than_its_quiet_limit_leaves_that_time_unproven() -> None:
    marks = speaking("c", 0, 60_100)
    marks += [Mark("feed", "c", time) for time in (5_000, 12_000, 40_000, 45_000)]
    claims = claimed(MARKET, sorted(marks, key=lambda m: m.time))
    assert spans(claims, "sampled") == [(5_000, 10_000), (40_000, 43_000)]
    assert spans(claims, "live") == [(100, 58_100)]


def test_a_symbols_own_topic_proves_that_symbol_alone() -> None:
    claims = claimed(SYMBOL, speaking("c", 0, 20_100, A))
    assert spans(claims, "complete", A) == [(100, 18_100)]
    assert spans(claims, "complete", B) == []
    assert spans(claims, "live", B) == [(100, 18_100)]


def test_nothing_is_claimed_across_a_reconnect_and_the_time_between_is_a_hole() -> None:
    marks = [*speaking("c", 0, 20_100, ""), Mark("closed", "c", 20_500), *speaking("d", 25_000, 40_100, "")]
    claims = claimed(MARKET, marks)
    assert spans(claims, "live") == spans(claims, "sampled") == [(100, 18_100), (25_100, 38_100)]
    assert [(c.start, c.end, c.cause) for c in claims if c.kind == "hole" and c.instrument == A] == [
        (0, 100, "disconnected"),
        (18_100, 25_100, "disconnected"),
    ]


def test_what_another_replica_heard_is_no_hole() -> None:
    marks = [*speaking("c", 0, 20_100, ""), *speaking("d", 500, 60_100, ""), Mark("closed", "c", 20_500)]
    claims = claimed(MARKET, sorted(marks, key=lambda m: m.time))
    assert spans(claims, "hole") == [(0, 100)]
    assert [c.connections for c in claims if c.kind == "live" and c.instrument == A] == [{"c"}, {"c", "d"}, {"d"}]


def test_time_since_an_earlier_process_is_a_hole_because_the_process_was_down() -> None:
    claims = claimed(MARKET, speaking("c", 100_000, 120_100, ""), opened=99_000, since={A: 40_000})
    holes = {(c.instrument, c.start, c.end, c.cause) for c in claims if c.kind == "hole"}
    assert holes == {(A, 40_000, 100_100, "process down"), (B, 99_000, 100_100, "disconnected")}


def test_events_that_the_disk_had_no_room_for_are_a_hole_with_that_cause() -> None:
    marks = [*speaking("c", 0, 20_100, ""), Mark("dropped", "", 50_000, text="disk full")]
    marks += speaking("c", 50_000, 70_100, "")
    claims = claimed(MARKET, marks)
    assert spans(claims, "live") == [(100, 18_100), (50_100, 68_100)]
    assert [c.cause for c in claims if c.kind == "hole" and c.start == 18_100] == ["disk full"] * 2


def test_a_frame_that_was_not_understood_leaves_its_moment_unproven() -> None:
    marks = [*speaking("c", 0, 20_100, ""), Mark("malformed", "c", 20_200), *speaking("c", 20_300, 40_400, "")[1:]]
    claims = claimed(MARKET, marks)
    assert spans(claims, "live") == [(100, 38_400)]
    assert spans(claims, "sampled") == [(100, 18_100), (20_400, 38_400)]


def test_a_new_log_claims_nothing_before_the_first_control_message_though_the_feed_spoke_earlier() -> None:
    before = Proofs(SYMBOL, 0, {})
    for mark in (Mark("acknowledged", "c", 0), Mark("feed", "c", 300, A), Mark("control", "c", 2_800)):
        before.see(mark)
    before.claims(2_800)
    after = Proofs(SYMBOL, 2_800, {})
    for mark in before.resume():
        after.see(mark)
    assert not [claim for claim in after.claims(2_800) if claim.kind != "hole"]


def test_while_nobody_listens_every_roll_says_so() -> None:
    proofs = Proofs(MARKET, 0, {})
    assert {(c.kind, c.start, c.end) for c in proofs.claims(60_000)} == {("hole", 0, 60_000)}
    assert {(c.kind, c.start, c.end) for c in proofs.claims(120_000)} == {("hole", 60_000, 120_000)}


@pytest.mark.parametrize(("completeness", "basis"), [("sampled", "drops some"), ("complete", "feed")])
def test_rules_follow_from_the_feed_and_a_push_interval_is_at_least_two_seconds(completeness: str, basis: str) -> None:
    feed = Feed("market", completeness, "drops some", 500, 60_000, "ticker", "base")  # type: ignore[arg-type]
    rules = Rules.of(feed, [B, A, A])
    assert rules == Rules((A, B), 2_000, 60_000, completeness, basis, True)  # type: ignore[arg-type]


# Whatever the marks


@st.composite
def histories(draw: st.DrawFn) -> list[Mark]:
    """Marks in the order of time, of up to three connections that come and go."""
    time, marks = 0, []
    kinds = st.sampled_from(["control"] * 6 + ["feed"] * 6 + ["acknowledged", "closed", "malformed", "dropped"])
    for _ in range(draw(st.integers(0, 60))):
        time += draw(st.sampled_from([0, 300, 1_000, 2_500, 9_000, 15_000]))
        kind = draw(kinds)
        topic = draw(st.sampled_from(["", A, B])) if kind == "feed" else ""
        marks.append(Mark(kind, draw(st.sampled_from("cde")), time, topic))  # type: ignore[arg-type]
    return marks


RULESETS = st.sampled_from([MARKET, SYMBOL])


@given(histories(), RULESETS, st.frozensets(st.integers(0, 59), max_size=8))
def test_rolling_at_any_points_and_joining_claims_the_same_time_as_not_rolling(
    marks: list[Mark], rules: Rules, rolls: frozenset[int]
) -> None:
    whole, pieces = claimed(rules, marks), claimed(rules, marks, rolls=rolls)
    for instrument in (A, B):
        for kind in ("live", rules.kind, "hole"):
            assert spans(pieces, kind, instrument) == spans(whole, kind, instrument)
        for connection in "cde":
            of = [[c for c in claims if connection in c.connections] for claims in (pieces, whole)]
            assert spans(of[0], "live", instrument) == spans(of[1], "live", instrument)


@given(histories(), RULESETS)
def test_no_claim_covers_time_outside_the_marks_of_its_own_connection(marks: list[Mark], rules: Rules) -> None:
    lives: dict[str, list[tuple[int, int]]] = {c: [] for c in "cde"}
    since: dict[str, int] = {}
    last: dict[str, int] = {}
    for mark in [*marks, Mark("dropped", "", END)]:
        names = list(since) if mark.kind == "dropped" else [mark.connection]
        if mark.kind in ("acknowledged", "closed", "dropped"):
            for name in names:
                if name in since and name in last:
                    lives[name].append((since[name], last.pop(name)))
                since.pop(name, None)
        if mark.kind == "acknowledged":
            since[mark.connection] = mark.time
        if mark.kind == "control" and mark.connection in since:
            last[mark.connection] = mark.time
    for claim in claimed(rules, marks):
        for connection in claim.connections:
            assert any(start <= claim.start and claim.end <= end - rules.push for start, end in lives[connection])


@given(histories(), RULESETS)
def test_a_feeds_claims_lie_within_its_connections_time_and_within_the_quiet_limit_of_its_words(marks: list[Mark], rules: Rules) -> None:
    claims = claimed(rules, marks)
    for instrument in (A, B):
        proven = [c.span for c in claims if c.kind == rules.kind and c.instrument == instrument]
        live = [c.span for c in claims if c.kind == "live" and c.instrument == instrument]
        assert not list(gaps(proven, live))
        words = [m.time for m in marks if m.kind == "feed" and (rules.market or m.topic == instrument)]
        near = union(Interval(time - rules.quiet, time) for time in words)
        assert not list(gaps(proven, near))
        assert not list(gaps(proven, union(Interval(time, time + rules.quiet) for time in words)))


@given(histories(), RULESETS, st.integers(0, 59))
def test_live_time_and_holes_together_are_all_the_time_that_was_said(marks: list[Mark], rules: Rules, cut: int) -> None:
    proofs = Proofs(rules, 0, {})
    claims: list[Claim] = []
    for number, mark in enumerate(marks):
        proofs.see(mark)
        if number == cut:
            claims += proofs.claims(mark.time)
    claims += proofs.claims(proofs.last)
    for instrument, until in proofs.said.items():
        live = [c.span for c in claims if c.kind == "live" and c.instrument == instrument]
        holes = [c.span for c in claims if c.kind == "hole" and c.instrument == instrument]
        assert not intersection(live, holes)
        assert not list(gaps([Interval(0, until)], [*live, *holes]))


@given(histories(), RULESETS, st.integers(0, 59))
def test_beginning_a_new_log_anywhere_loses_no_proof(marks: list[Mark], rules: Rules, cut: int) -> None:
    first = Proofs(rules, 0, {})
    for mark in marks[:cut]:
        first.see(mark)
    claims = list(first.claims(first.last))
    second = Proofs(rules, min(first.said.values()), {})
    for mark in (*first.resume(), *marks[cut:]):
        second.see(mark)
    claims = list(join([*claims, *second.claims(second.last)]))
    whole = claimed(rules, marks)
    for instrument in (A, B):
        for kind in ("live", rules.kind):
            assert spans(claims, kind, instrument) == spans(whole, kind, instrument)


@given(histories(), RULESETS, st.integers(0, 59))
def test_no_claim_begins_before_the_horizon_of_the_roll_before_it(marks: list[Mark], rules: Rules, cut: int) -> None:
    proofs = Proofs(rules, 0, {})
    for mark in marks[:cut]:
        proofs.see(mark)
    proofs.claims(proofs.last)
    horizons = proofs.horizons()
    for mark in marks[cut:]:
        proofs.see(mark)
    for claim in proofs.claims(proofs.last):
        assert claim.kind == "hole" or claim.start >= horizons[claim.instrument]


def slot(intake: Intake, clock: Callable[[], float] = lambda: 0.0) -> ConnectionSink:
    """A connection's, whose feed is one topic of the whole market."""
    return ConnectionSink(intake, "base", market=True, on_row=None, on_malformed=lambda *_: None, clock=clock)


def told(sink: ConnectionSink, intake: Intake, opened: int, until: int) -> list[Claim]:
    """What is claimed of what a sink said."""
    sink.settle()
    proofs = Proofs(Rules(("X",), 2_000, 5 * MINUTE, "complete", "feed", True), opened, {})
    for mark in intake.take().marks:
        proofs.see(mark)
    return [claim for claim in proofs.claims(until) if claim.kind != "hole"]


@pytest.mark.parametrize("ahead", [4 * MINUTE, HOUR])
def test_a_clock_that_is_set_forward_for_a_while_proves_no_feed_that_died(ahead: int) -> None:
    start, died = 1_795_928_400_000, 110
    intake = Intake(10_000, Counts())
    sink = slot(intake)
    sink.acknowledged("c", start * NS)
    for second in range(4_200):
        venue = start + second * SECOND
        local = venue + (ahead if 60 <= second < 120 else 0)
        sink.control("c", venue, local * NS)
        if second < died and second % 10 == 0:
            sink.feed("c", None, local * NS)
    proven = [claim for claim in told(sink, intake, start, start + 4_200 * SECOND) if claim.kind == "complete"]
    assert start < max(claim.end for claim in proven) <= start + died * SECOND + AHEAD


@pytest.mark.parametrize("ahead", [-HOUR, 0, 14 * MINUTE, HOUR])
def test_a_clock_that_is_off_when_the_feed_speaks_first_keeps_nothing_of_it_unproven(ahead: int) -> None:
    start, end = 1_795_928_400_000, 600
    intake = Intake(10_000, Counts())
    sink = slot(intake)
    sink.acknowledged("c", start * NS)
    for second in range(1, end + 1):
        venue = start + second * SECOND
        local = venue + (ahead if second < 30 else 0)
        if second % 7 == 0:
            sink.feed("c", None, local * NS)
        if second % 12 == 0:
            sink.control("c", venue, local * NS)
    proven = [claim for claim in told(sink, intake, start, start + end * SECOND) if claim.kind == "complete"]
    (one,) = union(claim.span for claim in proven)
    assert start + 12 * SECOND <= one.start <= start + 45 * SECOND, "from when the clock is right at the latest, and both spoke then"
    assert start + (end - 12) * SECOND <= one.end <= start + end * SECOND


@pytest.mark.parametrize("late", [0, 5, 12])
def test_a_feed_is_complete_from_its_first_word_on_however_late_the_control_topic_is_stamped(late: int) -> None:
    start, intake = 1_795_928_400_000, Intake(1_000, Counts())
    sink = slot(intake)
    sink.acknowledged("c", start * NS)
    at = [start + second * SECOND for second in range(61)]
    sink.feed("c", None, at[13] * NS)
    for second in range(14, 61):
        sink.control("c", at[second - late], at[second] * NS)
        sink.feed("c", None, at[second] * NS)
    assert min(claim.start for claim in told(sink, intake, start, at[60]) if claim.kind == "complete") >= at[13]


@pytest.mark.parametrize("set_right", [30, 90, None])
def test_a_clock_that_is_behind_when_a_connection_is_acknowledged_proves_no_time_before_it(set_right: int | None) -> None:
    """Set between the measurement of the offset and the acknowledgement. One that nobody sets right is not off: the stamps are."""
    start, now, intake = 1_795_928_400_000, 0, Intake(10_000, Counts())
    sink = slot(intake, lambda: float(now))
    off = -HOUR
    sink.acknowledged("c", (start + off) * NS)
    for now in range(1, 601):
        off = 0 if now == set_right else off
        local = start + now * SECOND + off
        sink.feed("c", None, local * NS)
        sink.control("c", start + now * SECOND, local * NS)
    claims = told(sink, intake, start + min(off, 0), start + 600 * SECOND)
    assert {claim.kind for claim in claims} == {"live", "complete"}
    assert min(claim.start for claim in claims) >= (start + off if set_right is None else start)
    assert max(claim.end for claim in claims) >= start + off + 590 * SECOND


def test_of_a_stream_whose_replicas_dial_again_and_again_the_coverage_stays_as_small_as_it_was() -> None:
    """Three connections, each cut off every quarter of a minute at a time of its own, for half an hour: somebody always hears."""
    marks, every = list[Mark](), 15_000
    for number in range(120):
        for place in range(3):
            name, start = f"{place}-{number}", number * every + place * 4_000
            marks += [*speaking(name, start, start + 14_000, A, B), Mark("closed", name, start + 14_500)]
    marks.sort(key=lambda mark: mark.time)
    proofs, kept, sizes = Proofs(SYMBOL, 0, {}), Sayings(), list[int]()
    for number, mark in enumerate(marks):
        proofs.see(mark)
        if number % 1_000 == 999:
            kept = kept.joined([Sayings(proofs.claims(mark.time))])
            sizes.append(len(kept.claims))
    assert len(sizes) > 10
    assert max(sizes) == sizes[0] == 6, "of each instrument: what it missed at the start, the connection's time, and the feed's"


def test_a_drop_names_the_time_until_a_connection_proves_again_or_another_trouble_begins():
    """Said piece by piece, as rolls do, also over two lives of a log."""
    for closed, later in ((None, "disk full"), (71_000, "disconnected")):
        proofs = Proofs(MARKET, 0, {})
        for mark in speaking("c", 0, 60_000, ""):
            proofs.see(mark)
        proofs.claims(60_000)
        for mark in (Mark("dropped", "", 70_000, text="disk full"), Mark("acknowledged", "c", 70_000)):
            proofs.see(mark)
        if closed is not None:
            proofs.see(Mark("closed", "c", closed, text="closed by the venue"))
        holes = [claim for time in (120_000, 180_000) for claim in proofs.claims(time) if claim.kind == "hole"]
        anew = Proofs(MARKET, min(proofs.said.values()), {})
        for mark in (*proofs.resume(), Mark("closed", "c", 200_000)):
            anew.see(mark)
        holes += [claim for claim in anew.claims(240_000) if claim.kind == "hole"]
        assert holes[0].cause == "disk full"
        assert holes[-1].cause == later, [(one.start, one.end, one.cause) for one in holes]
        assert holes[-1].end == 240_000
