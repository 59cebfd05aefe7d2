"""The table of venues, datasets and completeness comes from the venues' traits and nowhere else."""

from pathlib import Path

import pytest

from perptape.cli.venue_table import BEGIN, END, markdown, replaced, table
from perptape.exchanges.registry import VENUES, traits

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_readme_has_the_table_that_the_code_makes() -> None:
    text = README.read_text()
    made = markdown(table([traits(venue) for venue in VENUES]))
    assert replaced(text, made) == text, "run `python -m perptape.cli.venue_table README.md`"


def test_the_table_says_of_every_venue_what_it_gives() -> None:
    rows = {row[0]: row[1:] for row in table([traits(venue) for venue in VENUES]).rows}
    assert len(rows) == 5
    assert rows["Hyperliquid"][2] == "no public feed"
    assert rows["Binance USD-M"][0] == "complete, from 5m; the last 30 days"
    assert rows["Binance USD-M"][2].startswith("sampled by the venue")


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb", "new\n") == f"a\n{BEGIN}\nnew\n{END}\nb"
    with pytest.raises(ValueError, match="no place for the table"):
        replaced("a", "new")
