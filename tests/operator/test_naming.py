"""Names that must be one where the thing is one, and two where it is two."""

import pytest

from perptape_api.resource import CollectionSpec
from perptape_operator.naming import store_id


def bucket(endpoint: str | None) -> CollectionSpec:
    place = {"bucket": "tape"} if endpoint is None else {"bucket": "tape", "endpoint": endpoint}
    return CollectionSpec.model_validate(
        {"venues": [{"exchange": "binance"}], "symbols": {"names": ["BTCUSDT-PERP"]}, "collect": {"funding": {}}, "store": {"s3": place}}
    )


@pytest.mark.parametrize(
    "endpoint",
    ["http://minio", "http://minio:80", "http://minio.lake", "http://minio.lake.svc", "http://minio.lake.svc.cluster.local:80"],
)
def test_a_service_is_one_store_by_each_of_its_names(endpoint: str) -> None:
    assert store_id("lake", "one", bucket(endpoint)) == "s3/minio.lake:80/tape"


def test_a_services_short_name_is_another_store_in_another_namespace() -> None:
    short = bucket("http://minio:9000")
    assert store_id("one", "a", short) != store_id("two", "a", short)


@pytest.mark.parametrize(
    ("endpoint", "store"), [(None, "aws"), ("https://s3.example.org", "s3.example.org:443"), ("http://[::1]:9", "[::1]:9")]
)
def test_a_host_that_is_everywhere_the_same_is_one_store_from_all_namespaces(endpoint: str | None, store: str) -> None:
    assert {store_id(namespace, "a", bucket(endpoint)) for namespace in ("one", "two")} == {f"s3/{store}/tape"}
