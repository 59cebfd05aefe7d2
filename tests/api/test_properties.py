"""What holds for every document, found by search: a round trip loses nothing, and nothing but SpecError comes out of a bad one."""

import copy
import json
from typing import Any

import jsonschema
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from perptape_api.__main__ import schema_json
from perptape_api.collection import EVERY, SpecError, document, dump, load, parse
from perptape_api.names import API_VERSION, EXCHANGES, KIND
from perptape_api.work import work_hash

Document = dict[str, Any]

VALIDATOR = jsonschema.Draft202012Validator(json.loads(schema_json()))
SEARCH = settings(deadline=None, derandomize=True)

symbol = st.text(st.characters(exclude_characters=", ").filter(str.isprintable), min_size=1, max_size=12)
coin = st.text(st.sampled_from("ABCDEFGHIJkxz0123456789"), min_size=1, max_size=8)
every = st.sampled_from(EVERY)
backfill = st.builds("{}{}".format, st.integers(0, 9999), st.sampled_from("mhd"))
mode = st.sampled_from(["auto", "job", "resident"])
endpoint = st.builds(
    "{}://{}{}".format, st.sampled_from(["http", "https"]), st.sampled_from(["a.b", "127.0.0.1", "[::1]"]), st.sampled_from(["", ":1"])
)
venue = st.fixed_dictionaries({}, optional={"endpoint": endpoint, "credentials": st.just({"secretName": "keys"})})
names = st.lists(symbol, min_size=1, max_size=5, unique=True)
select = st.fixed_dictionaries(
    {"top": st.integers(1, 1000)},
    optional={"quote": coin, "base": st.lists(coin, min_size=1, max_size=3, unique=True), "match": st.just("^B")},
)
sampled = st.fixed_dictionaries({}, optional={"every": every, "backfill": backfill, "mode": mode})
datasets = {
    "openInterest": sampled,
    "funding": sampled,
    "liquidations": st.fixed_dictionaries({}, optional={"replicas": st.integers(1, 10)}),
}
volume = st.sampled_from(
    [{}, {"claimName": "tape"}, {"size": "5Gi", "accessMode": "ReadWriteMany"}, {"size": "0.5Ti", "storageClassName": "fast"}]
)
s3 = st.fixed_dictionaries(
    {"bucket": st.just("tape")}, optional={"prefix": st.sampled_from(["", "a", "a/b"]), "endpoint": endpoint, "region": st.just("eu-1")}
)
place = st.one_of(st.builds(lambda v: {"persistentVolumeClaim": v}, volume), st.builds(lambda v: {"s3": v}, s3))
rest = st.fixed_dictionaries({}, optional={"format": st.sampled_from(["nautilus1", "nautilus2"]), "publishEvery": every})


@st.composite
def valid(draw: st.DrawFn) -> Document:
    exchanges = draw(st.lists(st.sampled_from(EXCHANGES), min_size=1, unique=True))
    wanted = draw(st.lists(st.sampled_from(sorted(datasets)), min_size=1, unique=True))
    spec: Document = {
        "venues": [{"exchange": exchange, **draw(venue)} for exchange in exchanges],
        "symbols": {"names": draw(names)} if draw(st.booleans()) else {"select": draw(select)},
        "collect": {name: draw(datasets[name]) for name in wanted},
        "store": {**draw(place), **draw(rest)},
    }
    spec |= draw(st.fixed_dictionaries({}, optional={"suspend": st.booleans(), "verify": st.builds(lambda e: {"every": e}, every)}))
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "any"}, "spec": spec}


scalar = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.sampled_from(["5m", "7m", "binance", "10Gi", "\ud800"])
)
anything = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in paths(item, (*path, key)))]


def replaced(document: Document, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    block: Any = changed
    for step in path[:-1]:
        block = block[step]
    block[path[-1]] = value
    return changed


def survives(parsed: Any) -> None:
    """It is a collection that comes back, or a SpecError that says something on single lines."""
    collection, lines = None, ()
    try:
        collection = parsed()
    except SpecError as error:
        lines = error.lines
    if collection is not None:
        assert load(dump(collection), "again") == collection
    else:
        assert lines
        assert all(line.strip() and "\n" not in line and line.encode() for line in lines)


@SEARCH
@given(valid())
def test_what_is_dumped_loads_to_the_same_collection(document_: Document) -> None:
    collection = parse(document_, "x")
    assert load(dump(collection), "yaml") == collection
    assert load(json.dumps(document(collection)), "json") == collection
    assert parse(document(collection), "plain") == collection
    VALIDATOR.validate(document(collection))


@SEARCH
@given(valid())
def test_defaults_written_out_change_no_work(document_: Document) -> None:
    given_, written = parse(document_, "x").spec, parse(document(parse(document_, "x")), "x").spec
    for venue_ in given_.venues:
        for dataset in given_.wanted():
            assert work_hash(given_, venue_.exchange, dataset) == work_hash(written, venue_.exchange, dataset)


@SEARCH
@given(valid(), st.data())
def test_a_document_with_one_thing_replaced_is_a_collection_or_a_spec_error(document_: Document, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(document_)))
    changed = replaced(document_, path, data.draw(anything))
    survives(lambda: parse(changed, "x"))
    survives(lambda: load(json.dumps(changed), "x"))


@SEARCH
@given(valid(), st.data())
def test_what_the_editor_refuses_is_refused_here(document_: Document, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(document_)))
    changed = replaced(document_, path, data.draw(scalar))
    if not VALIDATOR.is_valid(changed):
        try:
            parse(changed, "x")
        except SpecError:
            return
        raise AssertionError(f"taken: {changed}")


@SEARCH
@given(st.text(st.sampled_from("ab:-{}[]&*!|>'\"%@#?,.~ \n\t0123eE_+<=\\ux\x85\ufeff")))
def test_text_that_looks_like_yaml_is_a_collection_or_a_spec_error(text: str) -> None:
    survives(lambda: load(text, "x"))


@SEARCH
@given(valid(), st.integers(0, 400), st.integers(0, 40), st.text(st.characters(), max_size=3))
def test_a_file_cut_and_spliced_is_a_collection_or_a_spec_error(document_: Document, start: int, length: int, inserted: str) -> None:
    text = yaml.safe_dump(document_, sort_keys=False)
    survives(lambda: load(text[:start] + inserted + text[start + length :], "x"))
