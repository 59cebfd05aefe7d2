"""A model's JSON schema in one piece: references followed, nulls taken away, reading order; and the one for editors. Pure."""

import copy
from collections.abc import Iterator
from typing import Any, Final

from perptape_api.model import Model
from perptape_api.resource import Collection

Schema = dict[str, Any]

FIRST: Final = ("type", "description", "enum", "default", "required")
MANY: Final = ("properties", "patternProperties")
ONE: Final = ("items", "additionalProperties")


def flattened(model: type[Model]) -> Schema:
    """The model's schema without references, titles and nulls; a field that is left out is left out, never null."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _flattened(schema, schema.get("$defs", {}))


def editor_schema() -> Schema:
    """The JSON schema that an editor holds a file against."""
    schema = _plain(flattened(Collection))
    schema["properties"]["status"] = {"type": "object", "description": "Written by the operator; ignored in a file."}
    schema["properties"]["metadata"].pop("additionalProperties", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "required": ["apiVersion", "kind", "metadata", "spec"]}


def _flattened(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    schema = _resolved(schema, definitions)
    found = {key: value for key, value in schema.items() if key not in ("title", "$defs") and not (key == "default" and value is None)}
    if "description" in found:
        found["description"] = " ".join(found["description"].split())
    if "const" in found:
        found["enum"] = [found.pop("const")]
    for key in MANY:
        if key in found:
            found[key] = {name: _flattened(inner, definitions) for name, inner in found[key].items()}
    for key in ONE:
        if isinstance(found.get(key), dict):
            found[key] = _flattened(found[key], definitions)
    return copy.deepcopy(dict(_ordered(found)))  # shared parts would become anchors in YAML


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The schema with its reference followed and its null taken away; what is said beside these wins."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if "$ref" in schema:
        inner, away = definitions[schema["$ref"].rsplit("/", 1)[1]], "$ref"
    elif len(options) == 1:
        inner, away = options[0], "anyOf"
    else:
        return schema
    return _resolved(inner, definitions) | {key: value for key, value in schema.items() if key != away}


def _ordered(schema: Schema) -> Iterator[tuple[str, Any]]:
    """What a reader looks for comes first."""
    yield from ((key, schema[key]) for key in FIRST if key in schema)
    yield from ((key, value) for key, value in schema.items() if key not in FIRST)


def _plain(schema: Any) -> Any:
    """The schema without what only Kubernetes understands."""
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if not str(key).startswith("x-kubernetes-")}
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema
