"""A command that collects is told to stop while it starts: whatever is made of that, it is no failure."""

import json
import signal
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from perptape.cli import shell
from perptape.cli.stop import Stop, told
from perptape.errors import Stopped


@pytest.fixture
def stop() -> Iterator[Stop]:
    handler = Stop()
    before = signal.signal(signal.SIGTERM, handler)
    yield handler
    signal.signal(signal.SIGTERM, before)


def test_what_cannot_be_interrupted_yet_is_not(stop: Stop) -> None:
    signal.raise_signal(signal.SIGTERM)
    assert told()


def test_later_it_ends_whatever_runs(stop: Stop) -> None:
    stop.raises = True
    with pytest.raises(Stopped):
        signal.raise_signal(signal.SIGTERM)
    assert told()


@pytest.mark.parametrize(
    ("options", "environ", "code"), [(["--once"], {}, 1), ([], {}, 0), (["--once"], {"PERPTAPE_TIME_BUDGET": "240"}, 0)]
)
def test_a_command_that_was_told_before_it_began_says_so(
    stop: Stop, capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], environ: dict[str, str], code: int
) -> None:
    """A job's pod has a budget of time and is no failure; it leaves its report."""
    report = tmp_path / "report"
    signal.raise_signal(signal.SIGTERM)
    assert shell.run(["run", "none.yaml", *options], {**environ, "PERPTAPE_TERMINATION_LOG": str(report)}) == code
    assert "stopped before anything was asked" in capsys.readouterr().err
    assert json.loads(report.read_text())["exit"] == code


def test_nothing_is_needed_to_be_told(stop: Stop) -> None:
    """Errors, too, are a module that may be half imported just then."""
    before = sys.modules["perptape.errors"]
    sys.modules["perptape.errors"] = types.ModuleType("perptape.errors")
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        sys.modules["perptape.errors"] = before
    assert told()


def test_an_exit_that_became_another_error_on_its_way_is_one_all_the_same(stop: Stop, capsys: pytest.CaptureFixture[str]) -> None:
    """Seen of pydantic, whose core makes a SchemaError of it, and of class bodies (RuntimeError)."""
    stop.raises = True

    class Environ(dict[str, str]):
        """Read by the command as it begins."""

        def get(self, *asked: object) -> str:
            class Body:
                class Told:
                    def __set_name__(self, owner: type, name: str) -> None:
                        signal.raise_signal(signal.SIGTERM)

                told = Told()

            return ""

    assert shell.run(["run", "none.yaml", "--once"], Environ()) == 1
    said = capsys.readouterr().err
    assert "stopped before anything was asked" in said
    assert "Traceback" not in said
