"""The examples that ship, and one whole document to change."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]

Document = dict[str, Any]
Change = Callable[[Document], None]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def examples() -> dict[str, str]:
    return {path.stem: path.read_text() for path in sorted((ROOT / "examples").glob("*.yaml"))}


@pytest.fixture
def majors(examples: dict[str, str]) -> Document:
    """A new copy of examples/majors.yaml as plain values."""
    return dict(yaml.safe_load(examples["majors"]))


@pytest.fixture
def refusal(majors: Document) -> Callable[[Change], tuple[str, ...]]:
    """What is said about majors.yaml after a change."""
    from perptape_api.collection import SpecError, parse

    def said(change: Change) -> tuple[str, ...]:
        change(majors)
        with pytest.raises(SpecError) as caught:
            parse(majors, "majors.yaml")
        return caught.value.lines

    return said
