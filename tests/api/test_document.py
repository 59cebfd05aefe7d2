"""From text to a collection and back: what YAML makes easy to get wrong is said, with its line."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from perptape_api.collection import SpecError, document, dump, load, parse

Document = dict[str, Any]


def said(text: str) -> tuple[str, ...]:
    with pytest.raises(SpecError) as caught:
        load(text, "spec.yaml")
    return caught.value.lines


def test_what_is_dumped_loads_again(examples: dict[str, str]) -> None:
    for name, text in examples.items():
        collection = load(text, name)
        assert load(dump(collection), name) == collection
        assert load(json.dumps(document(collection)), name) == collection


def test_an_error_names_the_file_and_the_line(examples: dict[str, str]) -> None:
    text = examples["quickstart"].replace("every: 5m", "every: 7m")
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "7m" in row)
    with pytest.raises(SpecError) as caught:
        load(text, "my.yaml")
    assert str(caught.value).startswith("my.yaml: spec.collect.openInterest.every: '7m' is not one of 1m, 2m, ")
    assert str(caught.value).endswith(f"1d (line {line})")
    assert caught.value.source == "my.yaml"


def test_a_fault_in_json_has_its_line_too(majors: Document) -> None:
    majors["spec"]["venues"][1]["exchange"] = "ftx"
    assert said(json.dumps(majors, indent=1))[0].endswith("deribit (line 13)")


def test_a_bare_spec_is_told_what_to_add(majors: Document) -> None:
    (line,) = said(json.dumps(majors["spec"]))
    for part in ("apiVersion: perptape.io/v1alpha1", "kind: CollectionSpec", "metadata:", "`spec:`"):
        assert part in line


def test_a_document_of_another_kind_is_refused() -> None:
    lines = said("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nspec: {}")
    assert lines[0] == "apiVersion: 'v1' is not one of perptape.io/v1alpha1 (line 1)"
    assert lines[1] == "kind: 'ConfigMap' is not one of CollectionSpec (line 2)"
    assert said("metadata: {name: x}\nspec: {}") == (
        "apiVersion: is missing: add `apiVersion: perptape.io/v1alpha1`",
        "kind: is missing: add `kind: CollectionSpec`",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "holds 0 documents: one file holds one CollectionSpec"),
        ("# nothing", "holds 0 documents: one file holds one CollectionSpec"),
        ("a: 1\n---\nb: 2", "holds 2 documents: one file holds one CollectionSpec"),
        ("just text", "must be a CollectionSpec: a block with apiVersion, kind, metadata and spec"),
        ("a: [1", "line 1: this is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\nb: 2\na: 3", "line 3: 'a' is given twice: remove one of them"),
        ('{"a": 1, "a": 2}', "'a' is given twice: remove one of them"),
        ("a: &x [1]\nb: *x", "line 2: *x refers elsewhere: write the value out"),
        ("a: !!python/object:os.system x", "line 1: the tag 'tag:yaml.org,2002:python/object:os.system' is not allowed: remove it"),
        ("? [a, b]\n: 1", "line 1: the name of a field must be plain text"),
        ("<<: {a: 1}", "line 1: the name of a field must be plain text"),
        ("[" * 5000, "is nested too deeply"),
        ('{"a":' * 50_000, "is nested too deeply"),
        ("a: " + "9" * 5000, "this is not YAML: Exceeds the limit (4300 digits) for integer string conversion"),
        ('{"a": ' + "9" * 5000 + "}", "cannot be read: Exceeds the limit (4300 digits) for integer string conversion"),
        ('"\\UFFFFFFFF"', "this is not YAML: "),
        ("a: \x00", "this is not YAML: "),
        ("x" * (4 * 2**20 + 1), "has 4194305 characters: at most 4194304 are read"),
    ],
)
def test_text_that_is_no_plain_document_is_refused(text: str, expected: str) -> None:
    (line,) = said(text)
    assert line.startswith(expected)
    assert "\n" not in line


def test_an_empty_field_is_neither_the_defaults_nor_nothing(examples: dict[str, str]) -> None:
    (line,) = said(examples["majors"].replace("liquidations: {}", "liquidations:"))
    assert line.startswith("spec.collect.liquidations: is empty: give a value ({} where a block's defaults are meant), or remove it (line ")


def test_a_date_in_a_file_is_text(examples: dict[str, str]) -> None:
    assert "'2024-01-01' is not one of" in said(examples["majors"].replace("{every: 1d}", "{every: 2024-01-01}"))[0]


def test_a_spec_read_back_from_a_cluster_runs(majors: Document) -> None:
    majors["metadata"].update(uid="1", creationTimestamp=None, managedFields=[{"manager": None}], namespace="tape", labels={"a": "b"})
    majors["status"] = {"summary": None}
    assert parse(majors, "x").metadata.namespace == "tape"


def test_in_a_cluster_a_newer_field_is_passed_over(majors: Document) -> None:
    majors["spec"]["venues"][0]["newer"] = {"a": 1}
    assert parse(majors, "x", unknown="ignore").spec.venues[0].exchange == "binance"
    assert load(json.dumps(majors), "x", unknown="ignore").metadata.name == "majors"


def test_names_inside_python_are_not_names_in_a_file(refusal: Callable[[Callable[[Document], Any]], tuple[str, ...]]) -> None:
    (line,) = refusal(lambda d: d["spec"]["store"].update(publish_every="1h"))
    assert "did you mean 'publishEvery'?" in line


def test_a_thousand_faults_are_told_briefly(majors: Document) -> None:
    majors["spec"]["symbols"]["names"] = [f"A {n}" for n in range(1000)]
    lines = said(json.dumps(majors))
    assert len(lines) == 21
    assert lines[-1] == "and 980 faults more"


def test_a_document_nested_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(SpecError, match="nested too deeply"):
        parse({"apiVersion": "x", "kind": "y", "spec": endless}, "x")
