"""Status: what the operator writes fits the schema that the API server holds it against."""

import json

import jsonschema
import pytest
from pydantic import ValidationError

from perptape_api.crd import collection_crd
from perptape_api.names import DATASETS, EXCHANGES
from perptape_api.resource import MAX_VENUES
from perptape_api.status import CollectionStatus, Condition, Gaps, Instruments, Pause, Publisher, Status, Summary

NOW = "2026-01-01T00:00:00Z"


def whole() -> Status:
    ready = Condition(
        type="Ready", status="True", reason="Degraded", message="okx is down", last_transition_time=NOW, observed_generation=3
    )
    works = tuple(
        CollectionStatus(
            exchange=exchange,
            dataset="funding",
            child=f"majors-{exchange}-funding",
            state="Ok",
            schedule="7 * * * *",
            last_run=NOW,
            watermark=NOW,
            rows=10,
            gaps=Gaps(open=1),
            instruments=Instruments(wanted=2, collected=2, substituted=1, examples=("BTCUSDT-PERP -> BTC-USD-PERP",)),
        )
        for exchange in EXCHANGES
    )
    return Status(
        observed_generation=3,
        wanted_since=NOW,
        conditions=(ready,),
        summary=Summary(venues="5/5", watermark=NOW, gaps=Gaps(open=5, lost=1)),
        collections=works,
        publisher=Publisher(last_run=NOW, segments=0),
        pauses=(Pause(exchange="okx", until=NOW),),
    )


def test_what_the_operator_writes_fits_the_schema() -> None:
    schema = collection_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    written = whole().model_dump(mode="json", by_alias=True, exclude_none=True)
    jsonschema.Draft202012Validator(schema).validate(written)
    assert written["collections"][0]["lastRun"] == NOW
    assert Status.model_validate(json.loads(json.dumps(written))) == whole()


def test_there_is_room_for_every_dataset_of_every_venue() -> None:
    schema = collection_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert schema["properties"]["collections"]["maxItems"] >= MAX_VENUES * len(DATASETS)


def test_at_most_five_examples_are_kept() -> None:
    with pytest.raises(ValidationError, match="at most 5"):
        Instruments(examples=("a", "b", "c", "d", "e", "f"))
