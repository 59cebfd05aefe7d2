"""Keys out of mounted Secrets: which is missing is said, and a replaced one needs no restart."""

import pytest

from perptape.cli.carry import keyed
from perptape.cli.daemon import document
from perptape.cli.order import Order
from perptape.errors import UsageError
from perptape.pod.keys import KeyMissing, S3Keys, of_venue, s3_keys
from perptape.settings import settings
from perptape.store.catalog import StoreOptions
from perptape.store.s3_errors import Refused
from perptape.store.tape import Tape
from perptape_api.document import parse

ORDER = Order(parse(document("majors", ["BTCUSDT-PERP"], ["binance", "okx"], {"funding": {}}), "majors.yaml"), "majors.yaml")


def secret(folder, **keys):
    folder.mkdir(exist_ok=True)
    for name, value in keys.items():
        (folder / name).write_text(value)
    return folder


def test_the_stores_keys_are_files_and_their_line_ends_do_not_count(tmp_path):
    secret(tmp_path / "s3", AWS_ACCESS_KEY_ID="id\n", AWS_SECRET_ACCESS_KEY="secret")
    assert s3_keys(str(tmp_path))() == ("id", "secret")


def test_without_a_secret_for_the_store_the_machines_own_keys_count(tmp_path):
    assert s3_keys(str(tmp_path)) is None
    assert s3_keys(None) is None


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "id"}, "lacks AWS_SECRET_ACCESS_KEY:"),
        ({"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": " \n"}, "lacks AWS_SECRET_ACCESS_KEY:"),
        ({}, "lacks AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY:"),
    ],
)
def test_a_missing_key_is_named(tmp_path, keys, said):
    with pytest.raises(KeyMissing, match=said) as caught:
        S3Keys(secret(tmp_path / "s3", **keys))()
    assert caught.value.reason == "StoreCredentials"


def test_a_venues_keys_are_given_to_it_and_hidden_in_every_line(tmp_path):
    secret(tmp_path / "okx", apiKey="the-key", apiSecret="the-secret", passphrase="the-passphrase")
    found = keyed(ORDER, settings({"PERPTAPE_CREDENTIALS": str(tmp_path)}))
    assert found.credentials == {"okx": {"apiKey": "the-key", "apiSecret": "the-secret", "passphrase": "the-passphrase"}}
    assert set(found.secrets) == {"the-key", "the-secret", "the-passphrase"}
    assert "the-secret" not in repr(found)


def test_a_venues_missing_key_is_named(tmp_path):
    secret(tmp_path / "okx", apiKey="key")
    with pytest.raises(UsageError, match="okx's credentials is not there or lacks apiSecret"):
        of_venue(str(tmp_path), "okx")
    assert of_venue(str(tmp_path), "bybit") == {}


@pytest.mark.s3
def test_a_replaced_key_of_the_store_is_taken_up_without_a_restart(minio, tmp_path):
    folder = secret(tmp_path / "s3", AWS_ACCESS_KEY_ID=minio.access_key, AWS_SECRET_ACCESS_KEY="of yesterday")
    tape = Tape.open(f"s3://{minio.bucket()}", options=StoreOptions(minio.endpoint, region=minio.region, keys=S3Keys(folder)))
    with pytest.raises(Refused, match="AWS_SECRET_ACCESS_KEY"):
        tape.prepare("live", "nautilus1")
    secret(folder, AWS_SECRET_ACCESS_KEY=minio.secret_key)
    tape.prepare("live", "nautilus1")
    assert "can be read and written" in tape.usable()
    (folder / "AWS_SECRET_ACCESS_KEY").unlink()
    assert "can be read and written" in tape.usable(), "what works is not looked at again"
