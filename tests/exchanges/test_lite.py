"""CCXT without its 300 modules: the same classes, and nobody else in the process notices."""

from __future__ import annotations

import subprocess
import sys

import pytest

from perptape.errors import UsageError
from perptape.exchanges.base import Access
from perptape.exchanges.registry import VENUES, connect, traits

pytestmark = pytest.mark.slow


def said(program: str) -> str:
    """What a fresh interpreter prints; any warning is an error."""
    done = subprocess.run([sys.executable, "-W", "error::ResourceWarning", "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_traits_come_without_ccxt_without_the_network_and_without_arrow() -> None:
    program = "import sys; from perptape.exchanges.registry import *; [traits(v) for v in VENUES]; print(sorted(set(sys.modules) & {%s}))"
    assert said(program % "'ccxt', 'aiohttp', 'pyarrow', 'requests', 'asyncio', 'ssl'") == "[]\n"


def test_a_connection_needs_a_tenth_of_ccxt_and_no_arrow() -> None:
    program = """
import sys
from perptape.exchanges.base import Access
from perptape.exchanges.registry import connect
connect("bybit", Access("http://127.0.0.1:1"))
print(sum(name.startswith("ccxt.") for name in sys.modules) < 40, "pyarrow" in sys.modules, "requests" in sys.modules)
print("cryptography" in sys.modules)
"""
    assert said(program) == "True False False\nFalse\n"


def test_signatures_are_made_by_the_real_library() -> None:
    lite = """
from perptape.exchanges._ccxt_lite import exchange_class
exchange = exchange_class("async_support", "bybit")
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
def pem(key):
    return key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode()
private = rsa.generate_private_key(65537, 2048)
print(len(exchange.rsa("text", pem(private))), len(exchange.rsa("text", pem(private), "sha512", "pss")))
print(exchange.eddsa(b"text", bytes(range(32))))
print(sorted(exchange.ecdsa("00" * 32, "11" * 32, "p256")), sorted(exchange.ecdsa("00" * 32, "11" * 32, "secp256k1", "sha256")))
print(sorted(exchange.ecdsa("00" * 32, pem(ec.derive_private_key(7, ec.SECP256R1())), "p256", "sha256")))
"""
    assert said(lite) == said(lite.replace("from perptape", "import ccxt.pro\nfrom perptape", 1))


def test_classes_are_the_ones_that_a_normal_import_gives() -> None:
    lite = """
from perptape.exchanges._ccxt_lite import exchange_class, errors
found = [exchange_class(p, n) for p in ("async_support", "pro") for n in ("binanceusdm", "bybit", "okx", "deribit", "hyperliquid")]
print([(c.__module__, c.__qualname__, [b.__module__ for b in c.__mro__][:4], len(c().describe())) for c in found], errors().__name__)
"""
    full = lite.replace("from perptape", "import ccxt.pro\nfrom perptape", 1)
    assert said(lite) == said(full)


def test_ccxt_imported_elsewhere_afterwards_works_as_ever() -> None:
    program = """
from perptape.exchanges._ccxt_lite import exchange_class
mine = exchange_class("async_support", "bybit")
import ccxt, ccxt.async_support, ccxt.pro, requests
import ccxt.base.exchange as base
print(len(ccxt.exchanges) > 90, ccxt.__version__, ccxt.async_support.bybit is mine, ccxt.pro.exchanges[0])
print(isinstance(ccxt.kraken().session, requests.Session), base.RequestException is requests.exceptions.RequestException)
try:
    ccxt.nothing_of_this_name
except AttributeError as error:
    print("AttributeError")
"""
    lines = said(program).splitlines()
    assert lines[0].startswith("True 4.")
    assert lines[0].split()[2] == "True"
    assert lines[1:] == ["True True", "AttributeError"]


def test_a_synchronous_exchange_by_itself_brings_the_real_requests() -> None:
    program = """
from perptape.exchanges._ccxt_lite import exchange_class
exchange_class("async_support", "bybit")
from ccxt.kraken import kraken
import requests, ccxt.base.exchange as base
print(base.Session is requests.Session, isinstance(kraken().session, requests.Session))
"""
    assert said(program) == "True True\n"


def test_another_layout_of_ccxt_falls_back_to_the_normal_import() -> None:
    program = """
import sys
from perptape.exchanges import _ccxt_lite
_ccxt_lite._EARLY["ccxt.async_support"] = {"Exchange": "ccxt.async_support.elsewhere"}
_ccxt_lite._Package._early = lambda self, name: None
_ccxt_lite._Package._execute = lambda self: None
print(_ccxt_lite.exchange_class("pro", "bybit").__module__, sum(name.startswith("ccxt.") for name in sys.modules) > 200)
"""
    assert said(program) == "ccxt.pro.bybit True\n"


def test_closing_leaves_no_noise_behind() -> None:
    program = """
import asyncio
from perptape.exchanges.base import Access
from perptape.exchanges.registry import connect
from perptape.simulation.market import Market
from perptape.simulation.server import Simulation
class Deaf:
    def __getattr__(self, name): return lambda *told: None
async def main():
    async with Simulation(Market.standard(1, 2)) as simulation:
        exchange = connect("binance", Access(simulation.endpoints["binance"]))
        listed = await exchange.instruments()
        stream = asyncio.create_task(exchange.liquidations(listed, Deaf()))
        await exchange.open_interest(listed[:1])
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)
        await exchange.close()
asyncio.run(main(), debug=False)
print("done")
"""
    assert said(program) == "done\n"


def test_a_venue_that_is_not_known_is_named_with_those_that_are() -> None:
    for ask in (traits, lambda venue: connect(venue, Access())):
        with pytest.raises(UsageError, match=f"kraken is not a known exchange: use one of {', '.join(VENUES)}"):
            ask("kraken")
