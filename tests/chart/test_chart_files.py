"""What the chart's files say by themselves, without helm."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from perptape_operator.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def schema(chart: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((chart / "values.schema.json").read_text())
    return found


@pytest.fixture
def values(chart: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((chart / "values.yaml").read_text())
    return found


def test_the_charts_crd_is_the_generated_one(chart: Path) -> None:
    copy, generated = chart / "files/collectionspec.yaml", ROOT / "crds/collectionspec.yaml"
    assert copy.read_bytes() == generated.read_bytes(), f"cp {generated.relative_to(ROOT)} {copy.relative_to(ROOT)}"


def test_the_crd_can_be_given_labels_and_annotations_as_text(chart: Path) -> None:
    """templates/crd.yaml puts them under the one line `metadata:`, and no template syntax is in the way."""
    text = (chart / "files/collectionspec.yaml").read_text()
    assert text.count("\nmetadata:\n") == 1
    assert "annotations" not in yaml.safe_load(text)["metadata"]


def test_the_default_values_obey_their_schema(schema: dict[str, Any], values: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema)


def blocks(values: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> list[tuple[str, Any, Any]]:
    """Every block of values with the schema of it, where that lists its fields."""
    schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "properties" not in schema:
        return []
    found = [(path, values, schema)]
    for name, value in values.items():
        if isinstance(value, dict):
            found += blocks(value, schema["properties"][name], definitions, f"{path}.{name}")
    return found


def test_the_schema_knows_the_values_that_are_there_and_no_others(schema: dict[str, Any], values: dict[str, Any]) -> None:
    """Amounts of resources are free; all else is listed on both sides."""
    listed = [block for block in blocks(values, schema, schema["definitions"]) if not block[0].endswith(".resources")]
    assert len(listed) > 8
    for path, block, known in listed:
        assert known["additionalProperties"] is False, path
        assert set(block) == set(known["properties"]) - {"global"}, path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("watch", "clusterwide"), True),  # a misspelt switch must not pass for the other one
        (("watch",), {"clusterWide": True, "namespaces": ["one"]}),  # these contradict each other
        (("budget", "fraction"), 1.5),
        (("budget", "fraction"), 0),
        (("operator", "image", "pullPolicy"), "Sometimes"),
        (("operator", "logLevel"), "loud"),
        (("worker", "image", "digest"), "latest"),
        (("metrics", "podMonitor", "interval"), "often"),
        (("nonsense",), {}),
    ],
)
def test_values_that_mean_nothing_are_refused(schema: dict[str, Any], values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    block = values
    for name in path[:-1]:
        block = block[name]
    block[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schema)


def test_every_variable_of_the_operators_pod_is_one_of_its_settings(chart: Path) -> None:
    given = re.findall(r"^- \{name: (\w+)", (chart / "templates/_environment.tpl").read_text(), re.MULTILINE)
    fields = {f"PERPTAPE_{name.upper()}" for name in Settings.model_fields} - {"PERPTAPE_IDENTITY"} | {"PERPTAPE_OPERATOR"}
    assert len(given) == len(set(given)) > 10
    assert set(given) <= fields
