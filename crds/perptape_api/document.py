"""From a document to a Collection and back, with every fault named by its path and by what is allowed. Pure."""

import typing
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import ValidationError

from perptape_api.errors import SpecError
from perptape_api.model import Model, nearest, shown
from perptape_api.names import API_VERSION, KIND
from perptape_api.resource import Collection, CollectionSpec
from perptape_api.text import Path, Unreadable, plain

EXPECTED = {
    "string_type": "must be text: put it in quotes, for YAML reads numbers, yes, no, on and off as other things",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "model_type": "must be a block of fields",
    "dict_type": "must be a block of names and values",
    "tuple_type": "must be a list",
    "string_unicode": "holds a character that is none",
    "missing": "is missing",
}

MOST_FAULTS = 20

BOUNDS = {
    "too_short": ("min_length", "at least"),
    "too_long": ("max_length", "at most"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}


def load(text: str, source: str, *, unknown: Literal["forbid", "ignore"] = "forbid") -> Collection:
    """The collection in a YAML or JSON text; SpecError where it is none. `source` is what messages call it, as in a file's name."""
    try:
        document = plain(text)
    except Unreadable as error:
        raise SpecError(source, (str(error),)) from error
    try:
        return parse(document, source, unknown=unknown)
    except Faults as error:
        raise SpecError(source, _with_lines(text, error)) from None


def parse(document: object, source: str, *, unknown: Literal["forbid", "ignore"] = "forbid") -> Collection:
    """The collection in a document of plain values. In a cluster, where the CRD may be newer than this code, `ignore` unknown fields."""
    try:
        faults = tuple(_out_of_place(document)) or tuple(_empties(document, ()))
        if faults:
            raise Faults(source, faults)
        wanted = {key: value for key, value in typing.cast(dict[str, Any], document).items() if key != "status"}
        extra = None if unknown == "forbid" else unknown  # None: each block's own way, since metadata has more than is of concern here
        return Collection.model_validate(wanted, by_alias=True, by_name=False, extra=extra)
    except ValidationError as error:
        found = [fault for fault in error.errors(include_url=False) if not _follows(dict(fault))]
        told = tuple((tuple(fault["loc"]), _said(dict(fault))) for fault in found[:MOST_FAULTS])
        raise Faults(source, told, len(found) - len(told)) from None
    except RecursionError as error:
        raise SpecError(source, ("is nested too deeply",)) from error


def document(collection: Collection) -> dict[str, Any]:
    """The collection as plain values, defaults written out."""
    return collection.model_dump(mode="json", by_alias=True, exclude_none=True)


def dump(collection: Collection) -> str:
    """The collection as YAML, defaults written out; `load` gives the same collection back."""
    from perptape_api import yamltext

    return yamltext.dumped(document(collection))


class Faults(SpecError):
    """A SpecError that still knows the paths."""

    def __init__(self, source: str, faults: tuple[tuple[Path, str], ...], more: int = 0) -> None:
        self.faults = faults[:MOST_FAULTS]
        more += len(faults) - len(self.faults)
        self.more = (f"and {more} faults more",) if more else ()
        super().__init__(source, (*(f"{dotted(path)}: {said}" if path else said for path, said in self.faults), *self.more))


def dotted(path: Path) -> str:
    """``spec.venues[0].exchange``"""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if step.isidentifier() else f"[{shown(step)}]"
    return text.removeprefix(".")


def _with_lines(text: str, error: Faults) -> tuple[str, ...]:
    from perptape_api import yamltext

    places = yamltext.places(text, [path for path, _ in error.faults])
    told = zip(error.lines, places, strict=False)
    return (*(line if place is None else f"{line} (line {place})" for line, place in told), *error.more)


def _out_of_place(document: object) -> Iterator[tuple[Path, str]]:
    """What is no resource at all."""
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        yield (), f"must be a {KIND}: a block with apiVersion, kind, metadata and spec"
    elif "spec" not in document and document.keys() & {field.alias for field in CollectionSpec.model_fields.values()}:
        missing = f"`apiVersion: {API_VERSION}`, `kind: {KIND}`, `metadata: {{name: …}}`"
        yield (), f"holds only a spec's content: add {missing}, and put it under `spec:`"
    else:
        for field, value in (("apiVersion", API_VERSION), ("kind", KIND)):
            if field not in document:
                yield (field,), f"is missing: add `{field}: {value}`"


def _empties(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Fields without a value, which YAML makes so easily: neither 'the defaults' nor 'nothing' would be sure to be what was meant."""
    if path[:1] == ("status",) or (path[:1] == ("metadata",) and path[1:2] not in ((), ("name",), ("namespace",))):
        return
    if value is None:
        yield path, "is empty: give a value ({} where a block's defaults are meant), or remove it"
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                yield from _empties(inner, (*path, key))
            else:
                yield path, f"the name {shown(key)} must be text: put it in quotes"
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _empties(inner, (*path, index))


def _said(fault: dict[str, Any]) -> str:
    kind, context, value = fault["type"], fault.get("ctx", {}), fault["input"]
    if kind == "extra_forbidden":
        fields = _fields(tuple(fault["loc"][:-1]))
        return f"is no field here{nearest(str(fault['loc'][-1]), fields)}; allowed: {', '.join(fields)}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        allowed = tuple(context["expected"].replace(" or ", ", ").replace("'", "").split(", "))
        return f"{shown(value)} is not one of {', '.join(allowed)}{nearest(value, allowed) if isinstance(value, str) else ''}"
    if kind in BOUNDS:
        bound, side = BOUNDS[kind]
        counted = f"has {context['actual_length']} items" if "actual_length" in context else f"{shown(value)} is not allowed"
        return f"{counted}: {side} {context[bound]}"
    if kind == "missing":
        return EXPECTED[kind]
    return f"{EXPECTED.get(kind, str(fault['msg']).lower())}, not {shown(value)}"


def _follows(fault: dict[str, Any]) -> bool:
    """Whether a list is called too short only because its items were refused, which is told already."""
    return bool(fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"])


def _fields(path: Path) -> tuple[str, ...]:
    """The fields that the block at `path` may have."""
    block: type[Model] = Collection
    for step in path:
        inner = next((f for f in block.model_fields.values() if f.alias == step), None)
        block = block if inner is None else next(_blocks(inner.annotation), block)
    return tuple(str(field.alias) for field in block.model_fields.values())


def _blocks(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _blocks(inner)
