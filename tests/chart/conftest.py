"""The chart as helm renders it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.cluster import tools
from support.kube import run

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = "1.34.4"
Rendered = Callable[[dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def chart() -> Path:
    return ROOT / "charts/perptape"


@pytest.fixture(scope="session")
def helm() -> Callable[..., str]:
    """helm, which is built from its Go module when it is not on PATH."""
    environ = tools(os.environ)
    return lambda *arguments, given=None: run("helm", *arguments, environ=environ, given=given)


@pytest.fixture(scope="session")
def rendered(helm: Callable[..., str], chart: Path) -> Rendered:
    """All objects of a release `one` in the namespace `tape`, in helm's order."""

    def render(values: dict[str, Any]) -> list[dict[str, Any]]:
        command = ("template", "one", str(chart), "--namespace", "tape", "--kube-version", KUBERNETES, "--values", "-")
        return [document for document in yaml.safe_load_all(helm(*command, given=yaml.safe_dump(values))) if document]

    return render
