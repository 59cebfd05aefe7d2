"""Specs made wrong, through the doors of `perptape run FILE` and of the operator: a collection, or an error that names a path."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import yaml

from fuzz.mutate import garbled, mutated
from fuzz.tally import Tally
from perptape_api.collection import Collection, SpecError, dump, load, parse
from perptape_operator.gathered import Unusable, parsed

EXAMPLES = tuple(yaml.safe_load(path.read_text()) for path in sorted((Path(__file__).parents[2] / "examples").glob("*.yaml")))

_PATH = re.compile(r"([A-Za-z_][\w-]*(?:\[[^\]]*\]|\.[A-Za-z_][\w-]*)*): ")
_WHOLE = re.compile(
    r"this is not YAML|holds \d+ documents|cannot be read|must be a CollectionSpec|holds only a spec's content|is nested too deeply"
    r"|is empty|line \d+|has \d+ characters|and \d+ faults"
)
"""What is said of a text that has no fields yet, by line where it has any."""


def one(random: Random, tally: Tally, seed: object) -> None:
    """Hands in one spec at each door, and tells `tally`."""
    document = random.choice(EXAMPLES)
    for _ in range(random.choice((1, 1, 2, 3))):
        document, done = mutated(document, random)
        if done.kind == "deep":
            break
    text = _text(document, random)
    tally.tried += 1
    for door, found in (("file", _from_file(text)), ("operator", _from_cluster(document))):
        kind = "taken" if isinstance(found, Collection) else "refused" if isinstance(found, tuple) else "crash"
        tally.outcomes[f"{door}: {kind}"] += 1
        lines = found if isinstance(found, tuple) else ()
        tally.fields.update(_named(line) or "nothing" for line in lines)
        tally.faults += [f"spec by the {door}, seed {seed}: {fault}" for fault in _faults(found)]


def _text(document: Any, random: Random) -> str | bytes:
    try:
        text = json.dumps(document) if random.random() < 0.5 else yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, RecursionError, ValueError):
        text = json.dumps(document)
    return garbled(text.encode(errors="surrogatepass"), random)[0] if random.random() < 0.2 else text


def _from_file(text: str | bytes) -> Collection | tuple[str, ...] | Exception:
    """As `perptape run FILE` reads it."""
    try:
        return load(text if isinstance(text, str) else text.decode(), "spec.yaml")
    except SpecError as error:
        return error.lines
    except UnicodeDecodeError:
        return ("cannot be read: it is no text",)  # said by `cli.run`, which reads the file
    except Exception as error:
        return error


def _from_cluster(document: Any) -> Collection | tuple[str, ...] | Exception:
    """As the operator reads what got past the API server."""
    try:
        found = parsed(document) if isinstance(document, dict) else parse(document, "spec")
        return found.faults if isinstance(found, Unusable) else found
    except SpecError as error:
        return error.lines
    except Exception as error:
        return error


def _faults(found: Collection | tuple[str, ...] | Exception) -> Iterator[str]:
    if isinstance(found, Exception):
        yield f"crash: {type(found).__name__}: {found}"
    elif isinstance(found, Collection):
        if load(dump(found), "again") != found:
            yield "what was taken does not come back as it is"
    elif not found:
        yield "refused without a word"
    else:
        for line in found:
            if "\n" in line:
                yield f"a line of two: {line!r}"
            if not _named(line):
                yield f"names no path: {line}"


def _named(line: str) -> str:
    """The path that a line names, without places in lists."""
    if (found := _PATH.match(line)) is not None:
        return re.sub(r"\[[^\]]*\]", "[]", found[1])
    return "the text" if _WHOLE.match(line) is not None else ""
