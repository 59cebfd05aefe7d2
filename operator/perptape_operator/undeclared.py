"""A status beside an older definition in the cluster, which refuses it whole for a field that it does not declare. Pure."""

import re
from collections.abc import Set
from typing import Any, Final

from perptape_api.status import Status
from perptape_operator import standing

Field = tuple[str, ...]
"""Where in a status: ("collections", "rowsEarlier")."""
SAID: Final = re.compile(r"\.status((?:\.\w+(?:\[[^\]]*\])?)+): field not declared in schema")
ITEM: Final = re.compile(r"\[[^\]]*\]")


def fields(message: str) -> frozenset[Field]:
    """The fields of a status that a refusal names; none where it is another refusal."""
    return frozenset(tuple(ITEM.sub("", path).strip(".").split(".")) for path in SAID.findall(message))


def without(status: Status, undeclared: Set[Field]) -> Status:
    """The rest of the status."""
    plain = standing.written(status)
    for field in undeclared:
        _drop(plain, field)
    return Status.model_validate(plain, by_alias=True, by_name=False)


def note(undeclared: Set[Field]) -> str:
    named = ", ".join(sorted(".".join(("status", *field)) for field in undeclared))
    return f"the CollectionSpec definition in this cluster is older than this operator: {named} is left out; apply crds/collectionspec.yaml"


def _drop(value: Any, field: Field) -> None:
    if isinstance(value, list):
        for item in value:
            _drop(item, field)
    elif isinstance(value, dict) and len(field) == 1:
        value.pop(field[0], None)
    elif isinstance(value, dict):
        _drop(value.get(field[0]), field[1:])
