"""Which Python the environments are made of, and what is said when there is none."""

import importlib
from pathlib import Path

import pytest

from support.nautilus_envs import ENVIRONMENTS, ROOT, Environment, Unavailable, directory, interpreter

WANTED = Environment("3.99", ROOT / "requirements/nautilus1.txt")  # no machine has it


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def environ(home: Path) -> dict[str, str]:
    return {"PATH": str(home / "bin"), "PYENV_ROOT": str(home / "pyenv"), "UV_PYTHON_INSTALL_DIR": str(home / "uv")}


def test_a_missing_python_is_named_with_the_ways_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as error:
        interpreter(WANTED, environ(tmp_path))
    for said in (
        "Python 3.99 is missing",
        "requirements/nautilus1.txt",
        str(tmp_path / "pyenv"),
        "uv python install 3.99",
        "WITHOUT=nautilus",
    ):
        assert said in str(error.value)


def test_a_shim_that_has_no_python_behind_it_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.99", "echo 'pyenv: python3.99: command not found' >&2; exit 127")
    real = program(tmp_path / "pyenv/versions/3.99.1/bin/python3.99", "printf 3.99")
    assert interpreter(WANTED, environ(tmp_path)) == real


def test_a_python_that_is_another_version_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.99", "printf 3.11")
    real = program(tmp_path / "uv/cpython-3.99.2-linux-x86_64-gnu/bin/python3.99", "printf 3.99")
    assert interpreter(WANTED, environ(tmp_path)) == real


def test_the_reader_classes_without_nautilus_say_what_to_install() -> None:
    with pytest.raises(ImportError, match=r"pip install 'nautilus_trader==1\.231\.0'.*or pip install --pre"):
        importlib.import_module("perptape.nautilus")


def test_each_set_of_requirements_has_a_place_of_its_own(tmp_path: Path) -> None:
    places = {directory(name, {"PERPTAPE_CACHE": str(tmp_path)}) for name in ENVIRONMENTS}
    assert len(places) == 2
    assert {place.parent for place in places} == {tmp_path}
