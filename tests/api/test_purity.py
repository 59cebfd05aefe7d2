"""perptape_api is pure: what it imports cannot read a clock, a file, the network or the environment."""

import ast
from pathlib import Path

ALLOWED = {"perptape_api", "pydantic", "pydantic_core", "yaml"}
PURE = {"collections", "copy", "dataclasses", "decimal", "difflib", "hashlib", "json", "re", "typing"}


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[0] for name in plain | {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}}


def test_the_api_imports_nothing_that_touches_the_world(root: Path) -> None:
    for path in sorted((root / "crds/perptape_api").glob("*.py")):
        shell = {"__main__.py": {"sys"}, "docstrings.py": {"ast", "inspect", "itertools", "textwrap"}}.get(path.name, set())
        assert imported(path) <= ALLOWED | PURE | shell, path.name


def test_every_module_begins_with_its_law(root: Path) -> None:
    for path in sorted((root / "crds/perptape_api").glob("[a-z]*.py")):
        assert ast.get_docstring(ast.parse(path.read_text())), path.name
