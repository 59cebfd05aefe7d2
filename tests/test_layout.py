"""The house rules that no other tool holds: where files may be, how large they may grow, what they may mention."""

import ast
import re
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("crds", "operator", "worker")
ASKED_TO_SPLIT, TOO_LARGE = 250, 400
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
TEXT = {".py", ".toml", ".txt", ".md", ".yaml", ".yml", ".sh", ".cfg", ".json", ".tpl", ".in", "", ".Dockerfile", ".mod"}


def kept_files() -> list[Path]:
    """Every file that git keeps or would keep."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def modules() -> list[Path]:
    return [path for root in SOURCES for path in sorted((ROOT / root).rglob("*.py"))]


def test_no_source_root_is_a_package() -> None:
    """`operator/__init__.py` would shadow the standard library's operator and break Python itself."""
    assert [root for root in SOURCES if (ROOT / root / "__init__.py").exists()] == []


def test_every_module_says_its_law_first() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules()
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_no_module_outgrows_its_concept() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    large = {path: size for path, size in sorted(sizes.items(), key=lambda each: -each[1]) if size > ASKED_TO_SPLIT}
    if large:
        warnings.warn(f"asked to split, by policy: {large}", stacklevel=1)
    assert {path: size for path, size in large.items() if size > TOO_LARGE} == {}


def test_names_say_what_is_inside() -> None:
    named = [path for path in kept_files() if path.suffix == ".py"]
    assert [
        str(path.relative_to(ROOT))
        for path in named
        if NAMELESS & {path.stem, *(part.lower() for part in path.relative_to(ROOT).parts[:-1])}
    ] == []


def machine_words() -> set[str]:
    """What would tie a file to one machine: its folders and its name. In pieces, so that this file does not match itself."""
    words = {"/" + "work/", "../" + "shared", "/" + "Users/", f"{Path.home()}/"}
    host = socket.gethostname()
    return words | ({host} if len(host) > 5 and host != "localhost" else set())


@pytest.mark.parametrize("word", sorted(machine_words()))
def test_no_file_mentions_this_machine(word: str) -> None:
    texts = [path for path in kept_files() if path.suffix in TEXT]
    assert [str(path.relative_to(ROOT)) for path in texts if word in path.read_text(errors="replace")] == []


def test_requirements_name_packages_and_hashes_never_hosts() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text()
        assert "--hash=sha256:" in text, path.name
        assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links|--trusted-host", text) == [], path.name


def test_imports_go_the_way_the_architecture_says() -> None:
    linted = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "0 broken" in linted.stdout


def test_only_output_prints() -> None:
    """Ruff holds this too; here it also holds for files that say `noqa`."""
    printing = [str(path.relative_to(ROOT)) for path in modules() if any(_prints(node) for node in ast.walk(ast.parse(path.read_text())))]
    assert printing in ([], ["worker/perptape/output.py"])


def _prints(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
