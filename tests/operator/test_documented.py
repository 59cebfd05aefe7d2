"""docs/operating.md has every condition and reason as the code has it, docs/metrics.md every metric.

PERPTAPE_GOLDEN=write writes the tables of the former.
"""

import os
import re
from pathlib import Path
from typing import Any, get_args

from prometheus_client.parser import text_string_to_metric_families

from perptape import errors
from perptape_operator.__main__ import measured
from perptape_operator.conditions import CHAINS
from perptape_operator.kinds import CRON_JOB
from perptape_operator.reasons import FROM_SIGHT, REASONS, STORE_TROUBLE, Reason, of_store

DOCS = Path(__file__).parents[2] / "docs"


def conditions() -> str:
    parts = []
    for type_, chain in CHAINS.items():
        rows = [f"| `{one.reason}` | {one.truth} | {one.means} | {one.do} |" for one in chain]
        parts.append("\n".join([f"### {type_}", "", "| reason | status | means | what to do |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts)


def reasons() -> str:
    rows = [f"| `{name}` | {entry.means} | {entry.do} |" for name, entry in REASONS.items()]
    return "\n".join(["| reason | means | what to do |", "|---|---|---|", *rows])


def documented(text: str, name: str, table: str) -> str:
    """The page with the table between its marks."""
    return re.sub(rf"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _: f"<!-- {name} -->\n{table}\n<!-- /{name} -->", text, flags=re.DOTALL)


def test_the_page_has_every_reason_with_its_meaning_and_remedy() -> None:
    page = DOCS / "operating.md"
    wanted = documented(documented(page.read_text(), "conditions", conditions()), "reasons", reasons())
    if os.environ.get("PERPTAPE_GOLDEN") == "write":
        page.write_text(wanted)
    assert page.read_text() == wanted
    for name in ("conditions", "reasons"):
        assert f"<!-- /{name} -->" in wanted


def test_every_reason_says_what_it_means_and_what_to_do() -> None:
    assert set(REASONS) == set(get_args(Reason)) >= {*FROM_SIGHT, *STORE_TROUBLE}
    for entry in REASONS.values():
        assert entry.means.endswith(".")
        assert entry.do
    for chain in CHAINS.values():
        assert all(one.means.endswith(".") and one.do for one in chain)
        assert len({one.reason for one in chain}) == len(chain)


def test_a_workers_own_word_for_its_store_becomes_a_documented_reason() -> None:
    words = {vars(one)["reason"] for one in vars(errors).values() if isinstance(one, type) and isinstance(vars(one).get("reason"), str)}
    assert {"StoreUnusable", "StoreFull"} < words
    assert {word: of_store(word) for word in words} == {word: "StoreConflict" if word.endswith("Conflict") else word for word in words}
    assert of_store("SomethingNew") == "StoreUnusable"


def test_every_metric_of_the_operator_is_listed_and_no_other(world: Any) -> None:
    world.spec(verify={"every": "1d"})
    world.settle()
    template = world.cluster.named(CRON_JOB)["majors-okx-funding"]["spec"]["jobTemplate"]["spec"]["template"]
    work = template["metadata"]["annotations"]["perptape.io/work-hash"]
    part = {"venue": "okx", "dataset": "funding", "rows": 5, "watermark": world.at - 60_000, "offset": 2_000, "gaps": {"open": 1}}
    world.run("majors-okx-funding", {"work_hash": work, "collections": [part]})
    world.settle(61)
    world.operation.counters.registry.register(measured(world.operation))
    families = {one.name: one for one in text_string_to_metric_families(world.operation.counters.text().decode())}
    named = {f"{name}_total" if family.type == "counter" else name for name, family in families.items()}
    section = (DOCS / "metrics.md").read_text().partition("## Operator")[2]
    assert named - {name for name in named if name.endswith("_created")} == set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))
    lag = {(one.labels["exchange"], one.labels["dataset"]): one.value for one in families["perptape_collection_lag_seconds"].samples}
    assert lag == {("okx", "funding"): 60 + 61 + 2}
