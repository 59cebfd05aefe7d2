"""One payload after another, each wrong in its own way, at one venue's desk; counted by what became of it and by field named."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from fuzz import judge
from fuzz.desk import Desk
from fuzz.mutate import Mutation, at, encoded, garbled, mutated, places
from fuzz.payloads import PAST, SETTLED, SPAN, Question, answers, frames
from fuzz.tally import Tally
from perptape.interval import Interval

GARBLED = 0.15
"""The share of texts that are garbled as a whole."""


async def one(desk: Desk, random: Random, tally: Tally, seed: object) -> None:
    """Hands in one payload, and tells `tally`."""
    questions = list(answers(desk.venue))
    place = random.randrange(len(questions) + 4 * bool(frames(desk.venue)))
    said = await _answer(desk, random, questions[place]) if place < len(questions) else _frame(desk, random)
    what, outcome, wrong = said
    tally.tried += 1
    tally.outcomes[judge.kind(outcome)] += 1
    tally.fields.update(judge.named([outcome]))
    tally.faults += [f"{desk.venue} {what}, seed {seed}: {fault}" for fault in wrong]


async def _answer(desk: Desk, random: Random, question: Question) -> tuple[str, judge.Outcome, list[str]]:
    replies = answers(desk.venue)[question]
    texts = {name: encoded(payload) for name, payload in replies.items()}
    name = random.choice(list(replies))
    payload, done = _wrong(replies[name], random, texts, name)
    outcome = await desk.ask(question, texts)
    expected = 0 if payload is None else ROWS[desk.venue, question]
    others = [value for key, value in replies.items() if key != name]
    sent = None if payload is None else [payload, others]
    wrong = judge.faults(desk.venue, outcome, sent, expected, done, ASKED.get(question, judge.NEVER))
    return f"{question} {_told(done)}", outcome, list(wrong)


def _frame(desk: Desk, random: Random) -> tuple[str, judge.Outcome, list[str]]:
    frame = random.choice((frames(desk.venue)[0], *frames(desk.venue)))
    texts = {"": encoded(frame.payload)}
    payload, done = _wrong(frame.payload, random, texts, "")
    outcome = desk.hear(texts[""])
    wrong = list(judge.faults(desk.venue, outcome, payload, frame.events if payload is not None else 0, done))
    empty = not isinstance(done, str) and done.kind != "deep" and any(at(payload, path) == [] for path in places(payload))
    if not outcome.told and not outcome.reasons and not empty:
        wrong.append("a frame passed over without a word")
    return f"frame {_told(done)}", outcome, wrong


def _wrong(payload: object, random: Random, texts: dict[str, bytes], name: str) -> tuple[object, Mutation | str]:
    """(the payload made wrong, or None for one whose text was garbled; what was done). Changes `texts`."""
    if random.random() < GARBLED:
        texts[name], how = garbled(texts[name], random)
        return None, how
    changed, done = mutated(payload, random)
    texts[name] = encoded(changed)
    return changed, done


def _told(done: Mutation | str) -> str:
    return done if isinstance(done, str) else f"{done.kind} at {'.'.join(map(str, done.path)) or 'the top'}"


ASKED: Mapping[Question, Interval] = {"open_interest_page": SPAN, "funding_page": SETTLED, "liquidations_page": PAST}
ROWS: Mapping[tuple[str, Question], int] = {
    (venue, question): count
    for venue, (listed, current, buckets, settled, past) in {
        "binance": (2, 2, 12, 7, 0), "bybit": (3, 2, 12, 7, 0), "hyperliquid": (3, 2, 0, 49, 0), "okx": (2, 2, 12, 7, 4),
        "deribit": (2, 2, 0, 49, 4),
    }.items()
    for question, count in (
        ("instruments", listed), ("open_interest", current), ("funding", current), ("open_interest_page", buckets),
        ("funding_page", settled), ("liquidations_page", past),
    )
}  # fmt: skip
"""How many rows come of each question's answers where nothing is wrong with them."""
