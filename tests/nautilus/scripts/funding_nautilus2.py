"""Holds one unit of a perpetual through every settlement of a catalog in a 2.x backtest, and says what funding did to the balance.

The instrument, its quotes and its mark prices come from here; of the catalog only the funding rates. JSON on standard input and output.
"""

import json
import sys
from decimal import Decimal

from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig
from nautilus_trader.execution import FixedFeeModel
from nautilus_trader.model import (
    AccountType,
    CryptoPerpetual,
    Currency,
    InstrumentId,
    MarkPriceUpdate,
    Money,
    NautilusDataType,
    OmsType,
    OrderSide,
    Price,
    Quantity,
    QuoteTick,
    Symbol,
    Venue,
)
from nautilus_trader.persistence import ParquetDataCatalog
from nautilus_trader.trading import Strategy

USDT, MINUTE, START = Currency.from_str("USDT"), 60_000_000_000, 1_000_000


def perpetual(instrument_id):
    return CryptoPerpetual(
        instrument_id=instrument_id,
        raw_symbol=Symbol("X"),
        base_currency=Currency.from_str("BTC"),
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=1,
        size_precision=3,
        price_increment=Price.from_str("0.1"),
        size_increment=Quantity.from_str("0.001"),
        ts_event=0,
        ts_init=0,
        margin_init=Decimal("0.05"),
        margin_maint=Decimal("0.025"),
    )


class Holder(Strategy):
    """Buys (or sells) one unit at the first quote and keeps it."""

    def __new__(cls, *_):
        return super().__new__(cls)

    def __init__(self, instrument_id, side):
        super().__init__()
        self.instrument_id, self.side, self.ordered, self.seen = instrument_id, side, False, []

    def on_start(self):
        self.subscribe_quotes(self.instrument_id)
        self.subscribe_funding_rates(self.instrument_id)

    def on_quote(self, quote):
        if not self.ordered:
            self.ordered = True
            self.submit_order(self.order_factory.market(self.instrument_id, self.side, Quantity.from_str("1.000")))

    def on_funding_rate(self, update):
        self.seen.append([update.ts_event, str(update.rate)])


def quote(instrument_id, price, stamp):
    size = Quantity.from_str("100.000")
    return QuoteTick(instrument_id, price, price, size, size, stamp, stamp)


request = json.load(sys.stdin)
storage, instrument_id = request["storage"], InstrumentId.from_str(request["instrument"])
catalog = ParquetDataCatalog(request["root"], storage_options=storage and storage["object_store"])
funding = catalog.query(NautilusDataType.FundingRateUpdate, [request["instrument"]])
marks = {int(stamp): Price(float(mark), 1) for stamp, mark in request["marks"].items()}

engine = BacktestEngine(BacktestEngineConfig(logging=LoggerConfig(bypass_logging=True)))
engine.add_venue(
    Venue(str(instrument_id.venue)),
    OmsType.NETTING,
    AccountType.MARGIN,
    [Money(START, USDT)],
    fee_model=FixedFeeModel(Money(0, USDT)),
)
engine.add_instrument(perpetual(instrument_id))
first, last = min(marks), max(marks)
engine.add_data([quote(instrument_id, Price.from_str("40000.0"), stamp) for stamp in (first - 2 * MINUTE, last + MINUTE)])
engine.add_data([MarkPriceUpdate(instrument_id, mark, stamp - MINUTE, stamp - MINUTE) for stamp, mark in marks.items()])
engine.add_data(funding)
holder = Holder(instrument_id, OrderSide.BUY if request["long"] else OrderSide.SELL)
engine.add_strategy(holder)
engine.run()
account = engine.cache.account_for_venue(Venue(str(instrument_id.venue)))
balance = account.balance_total(USDT)
answer = {"gained": str(balance.as_decimal() - START), "seen": holder.seen, "positions": len(engine.cache.positions_open())}
sys.stdout.write("\n" + json.dumps(answer))
