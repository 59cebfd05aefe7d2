"""The programs of docs/backtesting.md run as they stand, in the version that they are for, and print what stands under them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.minio import Minio
from support.nautilus_envs import ROOT
from support.nautilus_load import script

pytestmark = pytest.mark.nautilus

DOCUMENT = (ROOT / "docs/backtesting.md").read_text()
PROGRAM = re.compile(r"^```python (?P<words>[^\n]*)\n(?P<program>.*?)^```\n\n```text\n(?P<printed>.*?)^```", re.MULTILINE | re.DOTALL)


def programs(words: str, on_s3: bool) -> list[tuple[str, str]]:
    found = [(match["program"], match["printed"]) for match in PROGRAM.finditer(DOCUMENT) if match["words"] == words]
    return [(program, printed) for program, printed in found if ("s3://" in program) == on_s3]


def run(words: str, asked: list[str], where: Path) -> list[str]:
    answers: list[str] = script(words.split()[0], "document.py", {"programs": asked}, where)
    return answers


def test_no_program_of_the_document_is_left_out() -> None:
    kinds = [programs(words, on_s3) for words in ("nautilus1", "nautilus2", "nautilus2 legacy") for on_s3 in (False, True)]
    assert sum(map(len, kinds)) == DOCUMENT.count("```python") > 0


def test_the_programs_print_what_the_document_says(form: str, folder_of: Callable[[str], Path]) -> None:
    asked = programs(form, on_s3=False)
    assert run(form, [program for program, _ in asked], folder_of(form).parent) == [printed for _, printed in asked]


@pytest.mark.s3
def test_so_do_those_for_s3(form: str, bucket_of: Callable[[str], str], minio: Minio) -> None:
    asked = programs(form, on_s3=True)
    real = {"s3://bucket/prefix": bucket_of(form), "http://minio:9000": minio.endpoint, "KEY": minio.access_key, "SECRET": minio.secret_key}
    told = [re.sub("|".join(map(re.escape, real)), lambda match: real[match[0]], program) for program, _ in asked]
    assert run(form, told, ROOT) == [printed for _, printed in asked]


def test_a_tape_moves_to_2x_as_the_document_says(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "tape").symlink_to(folder_of("nautilus1"))
    (tmp_path / "copy").mkdir()
    ((program, printed),) = programs("nautilus2 legacy", on_s3=False)
    assert run("nautilus2 legacy", [program], tmp_path) == [printed]
