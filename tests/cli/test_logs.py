"""The log: one line an event, and no secret in any of them."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from perptape import logs
from perptape.errors import UsageError
from perptape.settings import settings

ENVIRON = {
    "BINANCE_API_KEY": "binance-key-12345",
    "BINANCE_API_SECRET": "binance-secret-67890",
    "OKX_API_PASSPHRASE": "okx-pass-phrase",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "aws/secret+key",
}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_credential_is_ever_logged(form: logs.LogFormat) -> None:
    stream = io.StringIO()
    logs.configure("debug", form, stream, settings(ENVIRON).secrets)
    logs.structured()
    for value in ENVIRON.values():
        logging.getLogger("any").info("signed with %s", value)
        logging.getLogger("any").info("fields", extra={"fields": {"key": value}})
        structlog.get_logger("any").warning("refused", headers={"X-KEY": value})
        try:
            raise ValueError(f"bad key {value}")
        except ValueError:
            logging.getLogger("any").exception("failed")
            structlog.get_logger("any").exception("failed")
    text = stream.getvalue()
    assert text.count(logs.HIDDEN) >= 5 * len(ENVIRON)
    assert [value for value in ENVIRON.values() if value in text or json.dumps(value)[1:-1] in text] == []


def test_a_password_in_a_url_is_hidden() -> None:
    assert logs.redacted("proxy http://me:secret@host:1 refused", ()) == "proxy http://***@host:1 refused"


def test_a_secret_that_holds_another_is_hidden_whole() -> None:
    assert logs.redacted("abcdef", settings({"OKX_API_KEY": "abcd", "OKX_API_SECRET": "abcdef"}).secrets) == logs.HIDDEN


def test_settings_do_not_show_secrets_when_they_are_printed() -> None:
    assert [value for value in ENVIRON.values() if value in repr(settings(ENVIRON))] == []


def test_json_lines_carry_fields_of_both_kinds_of_logger() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    logs.structured()
    logging.getLogger("a").info("stored", extra={"fields": {"rows": 3}})
    structlog.get_logger("b").info("stored", rows=4)
    logging.getLogger("a").debug("unheard")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["rows"]) == ("stored", "info", 3)
    assert (second["event"], second["rows"]) == ("stored", 4)


def test_a_text_line_stays_one_line() -> None:
    stream = io.StringIO()
    logs.configure("info", "console", stream)
    logging.getLogger("a").info("two\nlines", extra={"fields": {"venue": "okx"}})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("two\\nlines venue=okx")


def test_foreign_loggers_say_only_what_is_wrong() -> None:
    stream = io.StringIO()
    logs.configure("debug", "console", stream)
    logging.getLogger("botocore.auth").debug("StringToSign")
    logging.getLogger("aiohttp").warning("odd")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("environ", "said"),
    [({"PERPTAPE_LOG_LEVEL": "loud"}, "not one of debug, info"), ({"PERPTAPE_LOG_FORMAT": "xml"}, "not one of console, json")],
)
def test_a_setting_that_means_nothing_is_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        settings(environ)


def test_the_older_variable_for_the_level_works() -> None:
    assert settings({"CCXT_LOG_LEVEL": "WARN"}).log_level == "warning"


def test_a_job_logs_without_rich_which_is_there_when_it_is_wanted() -> None:
    told = "from perptape import logs; logs.structured(); import sys; assert 'rich' not in sys.modules; from rich.table import Table"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
