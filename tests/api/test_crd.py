"""The CRD is what the models say, and is a schema that an API server takes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from perptape_api.__main__ import crd_yaml, main, schema_json
from perptape_api.crd import collection_crd
from perptape_api.names import KIND, PLURAL
from perptape_api.reference import reference

Schema = dict[str, Any]

ALLOWED = {
    *("type", "description", "enum", "default", "required", "properties", "items", "additionalProperties", "format", "pattern"),
    *("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "minProperties", "maxProperties"),
    *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-int-or-string", "anyOf"),
}
INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]


@pytest.fixture(scope="module")
def schema() -> Schema:
    version = collection_crd()["spec"]["versions"][0]
    return dict(version["schema"]["openAPIV3Schema"])


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from walk(inner, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


def faults(schema: Schema) -> Iterator[str]:
    """Against https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema"""
    for path, part in walk(schema):
        yield from (f"{path}: {word} is not structural" for word in part.keys() - ALLOWED)
        if part.get("x-kubernetes-int-or-string"):
            if "type" in part or part.get("anyOf") != INT_OR_STRING:
                yield f"{path}: an int-or-string has this anyOf and no type"
        elif "anyOf" in part or part.get("type") not in {"object", "array", "string", "integer", "boolean", "number"}:
            yield f"{path}: needs one type"
        if "properties" in part and "additionalProperties" in part:
            yield f"{path}: properties and additionalProperties exclude one another"
        if set(part.get("required", ())) - set(part.get("properties", {})) - {"spec"}:
            yield f"{path}: requires what it does not have"
        if part.get("type") == "array" and not ("items" in part and "maxItems" in part):
            yield f"{path}: a list needs items and maxItems"
        if part.get("type") == "string" and "maxLength" not in part and path not in (".apiVersion", ".kind"):
            yield f"{path}: text needs maxLength"
        if "additionalProperties" in part and "maxProperties" not in part:
            yield f"{path}: a map needs maxProperties"
        keys = part.get("x-kubernetes-list-map-keys", ())
        if (part.get("x-kubernetes-list-type") == "map") != bool(keys) or any(key not in part["items"].get("required", ()) for key in keys):
            yield f"{path}: the keys of a map list are required fields of its items"
        if not part.get("description") and path not in ("", ".metadata") and not path.endswith(("[]", "{}")):
            yield f"{path}: has no description"


def test_the_yaml_is_what_the_model_says(root: Path) -> None:
    text = (root / "crds/collectionspec.yaml").read_text()
    assert text == crd_yaml(), "run: python -m perptape_api > crds/collectionspec.yaml"
    assert yaml.safe_load(text) == collection_crd()
    assert "&id" not in text


def test_the_editors_schema_is_what_the_model_says(root: Path) -> None:
    assert (root / "crds/collectionspec.schema.json").read_text() == schema_json(), "run: python -m perptape_api --json-schema"


def test_the_schema_is_structural(schema: Schema) -> None:
    assert list(faults(schema)) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s["properties"]["spec"]["properties"]["venues"].pop("maxItems"),
        lambda s: s["properties"]["spec"].update({"$ref": "#/x"}),
        lambda s: s["properties"]["spec"].update(additionalProperties=False),
        lambda s: s["properties"]["spec"]["properties"]["suspend"].update(type="null"),
        lambda s: s["properties"]["spec"]["properties"]["store"].update(oneOf=[]),
        lambda s: s["properties"]["spec"]["properties"]["venues"]["items"]["properties"]["endpoint"].pop("maxLength"),
        lambda s: s["properties"]["spec"]["properties"]["venues"]["items"].pop("required"),
    ],
)
def test_the_check_of_the_schema_sees_what_is_wrong(schema: Schema, spoil: Any) -> None:
    spoiled = json.loads(json.dumps(schema))
    spoil(spoiled)
    assert list(faults(spoiled)) != []


def test_rules_stand_where_the_api_server_can_decide_them(schema: Schema) -> None:
    rules = {
        path: [rule["rule"] for rule in part["x-kubernetes-validations"]]
        for path, part in walk(schema)
        if "x-kubernetes-validations" in part
    }
    assert rules[""] == ["size(self.metadata.name) <= 63"]
    assert rules[".spec.symbols"] == ["has(self.names) != has(self.select)"]
    assert rules[".spec.store"][0] == "has(self.persistentVolumeClaim) != has(self.s3)"
    assert {rule for path in rules for rule in rules[path] if "oldSelf" in rule} == {
        "has(self.s3) == has(oldSelf.s3)",
        "self.format == oldSelf.format",
        "self.bucket == oldSelf.bucket",
        "self.prefix == oldSelf.prefix",
        "has(self.endpoint) == has(oldSelf.endpoint) && (!has(self.endpoint) || self.endpoint == oldSelf.endpoint)",
        "has(self.claimName) == has(oldSelf.claimName) && (!has(self.claimName) || self.claimName == oldSelf.claimName)",
        "quantity(has(self.size) ? self.size : '10Gi').compareTo(quantity(has(oldSelf.size) ? oldSelf.size : '10Gi')) >= 0",
    }


def test_the_api_server_adds_nothing_to_a_status(schema: Schema) -> None:
    assert [path for path, part in walk(schema["properties"]["status"]) if "default" in part] == []


def test_the_columns_point_at_what_is_there(schema: Schema) -> None:
    version = collection_crd()["spec"]["versions"][0]
    columns = {column["name"]: column for column in version["additionalPrinterColumns"]}
    assert [name.upper() for name, column in columns.items() if "priority" not in column] == ["READY", "VENUES", "LAG", "GAPS", "AGE"]
    known = {path for path, _ in walk(schema)} | {".metadata.creationTimestamp"}
    for column in columns.values():
        path = column["jsonPath"]
        plain = path if "?" not in path else path[: path.index("[")] + "[]" + path[path.index("]") + 1 :]
        assert plain in known, path
    assert version["subresources"] == {"status": {}}


def test_the_names_are_those_of_the_design() -> None:
    spec = collection_crd()["spec"]
    assert (spec["names"]["kind"], spec["names"]["plural"], spec["names"]["shortNames"], spec["names"]["categories"]) == (
        KIND,
        PLURAL,
        ["cspec"],
        ["perptape"],
    )


def test_the_editors_schema_takes_every_example_and_sees_a_wrong_field(examples: dict[str, str]) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema_json()))
    for text in examples.values():
        validator.validate(yaml.safe_load(text))
    wrong = yaml.safe_load(examples["majors"].replace("openInterest: {}", "openInterest: {every: 7m, nothing: 1}"))
    assert {error.validator for error in validator.iter_errors(wrong)} == {"enum", "additionalProperties"}


def test_the_reference_has_every_field(schema: Schema) -> None:
    page = reference()
    for path, _ in walk(schema):
        if path.startswith((".spec.", ".status.")) and not path.endswith(("[]", "{}")):
            assert f"| `{path[1:]}` |" in page, path


def test_the_module_prints_the_crd(root: Path) -> None:
    printed = subprocess.run([sys.executable, "-m", "perptape_api"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert printed == (root / "crds/collectionspec.yaml").read_text()


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--all"]) == 2
    assert capsys.readouterr().err.startswith("usage: ")
