"""Which catalog and which endpoint: the option beats what else is said."""

import pytest

from perptape.cli.places import Place, access, datasets, place, venues
from perptape.errors import UsageError
from perptape.settings import Settings, settings
from perptape_api.document import parse
from perptape_api.store import Store

S3 = {"s3": {"bucket": "tape", "prefix": "prod", "endpoint": "http://minio:9000", "region": "eu-1"}, "format": "nautilus2"}
SAID = Settings(catalog="/data/tape")


def store(block: dict[str, object]) -> Store:
    return Store.model_validate(block)


def test_the_option_beats_the_store_of_the_spec() -> None:
    assert place("mine", store(S3), SAID) == Place("mine", format="nautilus2")


def test_the_store_of_the_spec_beats_the_environment() -> None:
    assert place(None, store(S3), SAID) == Place("s3://tape/prod", "http://minio:9000", "eu-1", "nautilus2")


def test_the_same_bucket_by_option_is_reached_as_the_spec_says() -> None:
    assert place("s3://tape/prod/", store(S3), SAID).endpoint == "http://minio:9000"


def test_a_volume_names_no_place_on_this_machine() -> None:
    volume = store({"persistentVolumeClaim": {}})
    assert place(None, volume, SAID).location == "/data/tape"
    assert place(None, volume, Settings()).location == "./tape"


def test_without_anything_said_it_is_the_tape_beside_us() -> None:
    assert place(None, None, Settings()) == Place("./tape")


def test_live_data_never_falls_into_the_store_of_the_file_by_itself() -> None:
    assert place(None, store(S3), Settings(), live=True).location == "./tape-live"
    assert place(None, store(S3), SAID, live=True).location == "/data/tape"
    assert place("here", store(S3), SAID, live=True).location == "here"


@pytest.mark.parametrize("location", ["gs://bucket", "s3://", "http://host/tape"])
def test_a_location_of_another_kind_is_refused(location: str) -> None:
    with pytest.raises(UsageError, match="neither a folder nor s3://bucket/prefix"):
        place(location, None, Settings())


def test_the_older_variable_works_and_the_newer_one_wins() -> None:
    assert settings({"CCXT_CATALOG_PATH": "old"}).catalog == "old"
    assert settings({"CCXT_CATALOG_PATH": "old", "PERPTAPE_CATALOG": "new"}).catalog == "new"


@pytest.mark.parametrize(
    ("environ", "state"),
    [
        ({"PERPTAPE_STATE": "/var/lib/perptape", "XDG_STATE_HOME": "/x", "HOME": "/home/me"}, "/var/lib/perptape"),
        ({"XDG_STATE_HOME": "/x/", "HOME": "/home/me"}, "/x/perptape"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.local/state/perptape"),
        ({"HOME": "/home/me"}, "/home/me/.local/state/perptape"),
        ({}, None),
    ],
)
def test_the_log_of_a_distant_store_is_where_the_environment_says(environ: dict[str, str], state: str | None) -> None:
    assert settings(environ).state == state


SPEC = parse(
    {
        "apiVersion": "perptape.io/v1alpha1",
        "kind": "CollectionSpec",
        "metadata": {"name": "a"},
        "spec": {
            "venues": [{"exchange": "binance", "endpoint": "http://spec:1"}, {"exchange": "bybit"}],
            "symbols": {"names": ["BTCUSDT-PERP"]},
            "collect": {"funding": {}},
            "store": {"persistentVolumeClaim": {}},
        },
    },
    "a.yaml",
).spec
ENVIRONMENT = settings({"PERPTAPE_BINANCE_ENDPOINT": "http://environment:1"})


def test_an_endpoint_by_option_beats_the_environment_which_beats_the_spec() -> None:
    asked = ("binance", "bybit")
    assert access(asked, ["binance=http://option:1/"], ENVIRONMENT, SPEC)["binance"].endpoint == "http://option:1"
    assert access(asked, None, ENVIRONMENT, SPEC)["binance"].endpoint == "http://environment:1"
    assert access(asked, None, Settings(), SPEC)["binance"].endpoint == "http://spec:1"
    assert access(asked, None, ENVIRONMENT, SPEC)["bybit"].endpoint is None


@pytest.mark.parametrize("option", ["binance", "binance=", "binance=host:1", "binance=http://host/path", "binance=ftp://host"])
def test_an_endpoint_that_is_none_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match="--endpoint"):
        access(("binance",), [option], Settings())


def test_an_endpoint_of_an_unknown_exchange_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown exchange 'binnance'; did you mean binance"):
        access(("binance",), ["binnance=http://host:1"], Settings())


def test_credentials_come_from_the_environment_by_venue() -> None:
    found = access(
        ("okx",), None, settings({"OKX_API_KEY": "k", "OKX_API_SECRET": "s", "OKX_API_PASSPHRASE": "p", "BYBIT_API_KEY": "other"})
    )
    assert found["okx"].credentials == {"apiKey": "k", "apiSecret": "s", "passphrase": "p"}


def test_without_a_choice_all_venues_are_asked() -> None:
    assert venues(None) == ("binance", "bybit", "hyperliquid", "okx", "deribit")
    assert venues(["okx", "Binance,okx"]) == ("binance", "okx")


def test_a_venue_that_the_spec_does_not_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a\.yaml has no exchange 'okx'.*Known: binance, bybit"):
        venues(["okx"], among=("binance", "bybit"), of="a.yaml")


def test_datasets_may_be_written_in_several_ways() -> None:
    assert datasets(["oi", "openInterest", "open-interest", "liquidations"]) == ("open_interest", "liquidations")


def test_a_dataset_that_the_spec_does_not_collect_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a\.yaml does not collect liquidations: it collects funding"):
        datasets(["liquidations"], among=("funding",), of="a.yaml")
    with pytest.raises(UsageError, match="unknown dataset 'trades'"):
        datasets(["trades"])


def test_the_word_of_a_service_of_our_name_is_no_port() -> None:
    assert settings({"PERPTAPE_PORT": "tcp://10.96.0.1:8080"}).port is None
    with pytest.raises(UsageError, match="is not a port's number"):
        settings({"PERPTAPE_PORT": "http://10.96.0.1"})
