"""Which venues can be simulated: their wires by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perptape.simulation.binance import BinanceWire
from perptape.simulation.bybit import BybitWire
from perptape.simulation.deribit import DeribitWire
from perptape.simulation.hyperliquid import HyperliquidWire
from perptape.simulation.okx import OkxWire
from perptape.simulation.wire import Wire

WIRES: Mapping[str, Callable[[], Wire]] = {
    "binance": BinanceWire,
    "bybit": BybitWire,
    "hyperliquid": HyperliquidWire,
    "okx": OkxWire,
    "deribit": DeribitWire,
}
