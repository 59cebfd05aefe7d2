"""Text of a YAML or JSON file as plain values, refusing what would be read as something else than it looks. Pure."""

import json
from collections.abc import Iterable
from typing import Any, Final

import yaml

from perptape_api.model import shown

LONGEST: Final = 4 * 2**20
Path = tuple[str | int, ...]


class Unreadable(ValueError):
    """The text is no single plain document; the message says where and why."""


class Plain(yaml.SafeLoader):
    """YAML without what surprises: no key twice, no anchors, no tags, and a date is text."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable(f"line {event.start_mark.line + 1}: *{event.anchor} refers elsewhere: write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "tag:yaml.org,2002:str":
            raise Unreadable(f"line {event.start_mark.line + 1}: the tag {shown(tag)} is not allowed: remove it")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise Unreadable(f"line {key.start_mark.line + 1}: the name of a field must be plain text")
            if key.value in keys:
                raise Unreadable(f"line {key.start_mark.line + 1}: {shown(key.value)} is given twice: remove one of them")
            keys.add(key.value)
        return super().construct_mapping(node, deep=deep)


TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def plain(text: str) -> Any:
    """The one document in the text. JSON takes a shorter way, since every pod reads its spec as JSON."""
    if len(text) > LONGEST:
        raise Unreadable(f"has {len(text)} characters, at most {LONGEST} are read")
    try:
        if text.lstrip().startswith("{"):
            try:
                return json.loads(text, object_pairs_hook=_once)
            except json.JSONDecodeError:
                pass  # YAML's flow style begins alike
        return _document(text)
    except RecursionError as error:
        raise Unreadable("is nested too deeply") from error


def _document(text: str) -> Any:
    try:
        found = list(yaml.load_all(text, Plain))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f"line {mark.line + 1}: "
        raise Unreadable(f"{where}this is not YAML: {' '.join(str(error.problem or error.context).split())}") from error
    except Unreadable:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise Unreadable(f"this is not YAML: {shown(' '.join(str(error).split()))}") from error
    documents = [document for document in found if document is not None]
    if len(documents) != 1:
        raise Unreadable(f"holds {len(documents)} documents: one file holds one CollectionSpec")
    return documents[0]


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Unreadable(f"{shown(key)} is given twice: remove one of them")
        found[key] = value
    return found


def line(text: str, path: Path) -> int | None:
    """The line, from 1, of the field or item at `path`, or of the nearest block around it that is in the text."""
    try:
        node = yaml.compose(text, Plain)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    found = None
    for step in path:
        if isinstance(node, yaml.MappingNode):
            key, node = next(((k, v) for k, v in node.value if k.value == step), (None, None))
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            key = node = node.value[step]
        else:
            break
        if key is None:
            break
        found = key.start_mark.line + 1
    return found
