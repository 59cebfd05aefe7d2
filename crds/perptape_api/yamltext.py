"""YAML as plain values, refusing what would be read as something else than it looks. Pure."""

from collections.abc import Iterable
from typing import Any, Final

import yaml

from perptape_api.model import shown
from perptape_api.text import Path, Unreadable

TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
TEXT: Final = "tag:yaml.org,2002:str"
MERGE: Final = "tag:yaml.org,2002:merge"


class Plain(yaml.SafeLoader):
    """YAML without what surprises: no key twice, no anchors, no tags, and a date is text."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node; anchors would let a small file become a large one, or one without end."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable(f"{_at(event.start_mark)}*{event.anchor} refers elsewhere: write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None and tag != TEXT:
            raise Unreadable(f"{_at(event.start_mark)}the tag {shown(tag)} is not allowed: remove it")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; PyYAML itself would let the last of two equal keys win."""
        keys: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                raise Unreadable(f"{_at(key.start_mark)}the name of a field must be plain text")
            if key.value in keys:
                raise Unreadable(f"{_at(key.start_mark)}{shown(key.value)} is given twice: remove one of them")
            keys.add(key.value)
        return super().construct_mapping(node, deep=deep)


Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def plain(text: str) -> Any:
    """The one document in the text."""
    try:
        found = list(yaml.load_all(text, Plain))
    except Unreadable:
        raise
    except yaml.MarkedYAMLError as error:
        where = _at(error.problem_mark or error.context_mark)
        raise Unreadable(f"{where}this is not YAML: {' '.join(str(error.problem or error.context).split())}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # ValueError, OverflowError: numbers and escapes out of range
        raise Unreadable(f"this is not YAML: {' '.join(ascii(str(error))[1:-1].split())}") from error
    documents = [document for document in found if document is not None]
    if len(documents) != 1:
        raise Unreadable(f"holds {len(documents)} documents: one file holds one CollectionSpec")
    return documents[0]


def dumped(document: dict[str, Any]) -> str:
    """A document of plain values as YAML."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def places(text: str, paths: Iterable[Path]) -> list[int | None]:
    """For each path the line, from 1, of that field or item, or of the nearest block around it that is in the text."""
    try:
        document = yaml.compose(text, Plain)
    except (yaml.YAMLError, ValueError, RecursionError):
        document = None
    return [_place(document, path) for path in paths]


def _place(node: yaml.Node | None, path: Path) -> int | None:
    found = None
    for step in path:
        place: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            place, node = next(((key, value) for key, value in node.value if key.value == step), (None, None))
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            place = node = node.value[step]
        if place is None:
            break
        found = place.start_mark.line + 1
    return found


def _at(mark: Any) -> str:
    return "" if mark is None else f"line {mark.line + 1}: "
