"""What a perpetual is, and what a user's word for one means on a venue.

Pure. The instrument id is NautilusTrader's own (``BTCUSDT-PERP.BINANCE``, ``BTCUSDT-LINEAR.BYBIT``, ``BTC-USD-PERP.HYPERLIQUID``,
``BTC-USDT-SWAP.OKX``, ``BTC-PERPETUAL.DERIBIT``).
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from perptape.errors import UsageError
from perptape.interval import LATEST, Interval
from perptape.times import iso

END_OF_TIME = 1 << 62


class Impossible(ValueError):
    """Values that no contract has: the text names which."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One perpetual contract of one venue as it was listed. Decimal sizes; times in ms on the venue's clock."""

    venue: str
    id: str
    """Nautilus' instrument id."""
    symbol: str
    """CCXT's unified symbol, ``BTC/USDT:USDT``."""
    venue_id: str
    """The venue's own id, ``BTCUSDT``."""
    base: str
    quote: str
    settle: str
    linear: bool
    """True: one contract is `contract_size` base coins. False (inverse): one contract is `contract_size` units of the quote."""
    contract_size: Decimal
    multiplier: Decimal = Decimal(1)
    tick: Decimal | None = None
    lot: Decimal | None = None
    funding_minutes: int | None = None
    """The present settlement interval; it changes over time, so no past row may lean on it."""
    listed: int | None = None
    delisted: int | None = None

    def __post_init__(self) -> None:
        """Raises Impossible for what no row can hold (one such contract would keep the list of all out of the store), and for a size by
        which amounts would be none."""
        for name in ("venue_id", "base", "quote", "settle", "symbol", "id", "venue"):
            text = getattr(self, name)
            if not (isinstance(text, str) and text.isprintable()):
                raise Impossible(f"{_spoken(name)}: {str(text)[:40]!r} names no contract")
        for name in ("contract_size", "multiplier"):
            size = getattr(self, name)
            if not (size.is_finite() and size > 0):
                raise Impossible(f"{_spoken(name)}: no contract has {size}")
        for name in ("funding_minutes", "listed", "delisted"):
            time = getattr(self, name)
            if time is not None and not 0 <= time < LATEST:
                raise Impossible(f"{_spoken(name)}: no contract has {str(time)[:40]}")

    @property
    def life(self) -> Interval:
        """From its listing to its delisting, as far as they are known: before and after nothing is wanted."""
        start = self.listed or 0
        return Interval(start, max(start, END_OF_TIME if self.delisted is None else self.delisted))

    @property
    def terms(self) -> str:
        """A short hash of what makes a lifetime: contract size, multiplier, settle coin."""
        text = f"{self.contract_size.normalize()}|{self.multiplier.normalize()}|{self.settle}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _spoken(name: str) -> str:
    return name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one word of the user became on one venue. `instrument` is None when nothing new can be collected; `message` says why."""

    asked: str
    venue: str
    instrument: Instrument | None
    message: str = ""
    substituted: bool = False
    since: int = 0
    """Of a choice: when it came to a choice that was there before, ms; streams and samples are not wanted earlier."""
    ended: tuple[Instrument, ...] = ()
    """Its lives that ended, oldest first: what was missed of them is fetched while the venue still gives it."""


_PERP = re.compile(r"^([A-Z0-9]+?)(USDT|USDC|USD)-PERP$")
_UNIFIED = re.compile(r"^([^/:]+)/([^/:]+):([^/:]+)$")


def contract_of(word: str) -> tuple[str, str, str] | None:
    """(base, quote, settle) that a venue-neutral word names: ``BTCUSDT-PERP`` or ``BTC/USDT:USDT``; None for anything else."""
    if match := _PERP.match(word.upper()):
        base, quote = match.groups()
        return base, quote, base if quote == "USD" else quote
    if match := _UNIFIED.match(word):
        base, quote, settle = (part.upper() for part in match.groups())
        return base, quote, settle
    return None


def resolve(
    word: str,
    venue: str,
    instruments: Iterable[Instrument],
    *,
    default: Callable[[str], str | None],
    exact: bool = False,
) -> Resolution:
    """What `word` means on `venue`.

    `instruments` are all that are known of the venue, delisted ones too. `default` gives the CCXT symbol of the venue's declared
    default perpetual of a base coin, or None. A contract that the venue once listed and delisted is never substituted.

    Raises UsageError, naming the nearest instruments, for a word that this venue does not know.
    """
    known = tuple(instruments)
    order = sorted(known, key=lambda i: (i.delisted is None, i.delisted or 0, i.listed or 0))
    by_word = {form: one for one in order for form in _forms(one)}
    found = by_word.get(word) or by_word.get(word.upper())
    neutral = contract_of(word)
    if found is None and neutral is not None:
        found = by_word.get(f"{neutral[0]}/{neutral[1]}:{neutral[2]}")
    if found is not None:
        ended = _ended(order, found.id)
        if found.delisted is not None:
            return Resolution(word, venue, None, f"{venue} has {_gone(found, found.delisted)}", ended=ended)
        return Resolution(word, venue, found, ended=ended)
    if neutral is not None and not exact and (substitute := by_word.get(default(neutral[0]) or "")) is not None:
        ended = _ended(order, substitute.id)
        if substitute.delisted is not None:  # it was collected, perhaps: no reason to take the word for a slip of the pen
            message = f"{venue} has no {word}, and has {_gone(substitute, substitute.delisted)}"
            return Resolution(word, venue, None, message, ended=ended)
        message = f"{venue} has no {word}: collecting {substitute.id} instead"
        return Resolution(word, venue, substitute, message, substituted=True, ended=ended)
    near = nearest(word, known)
    hint = f"; nearest: {', '.join(near)}" if near else ""
    raise UsageError(f"{venue} has no {word}{hint}")


def _gone(one: Instrument, at: int) -> str:
    return f"delisted {one.id} on {iso(at)[:10]}: nothing new to collect"


def _ended(known: Iterable[Instrument], id: str) -> tuple[Instrument, ...]:
    return tuple(one for one in known if one.id == id and one.delisted is not None)


def _forms(one: Instrument) -> tuple[str, ...]:
    return one.id, one.symbol, one.venue_id, one.id.rsplit(".", 1)[0]


def nearest(word: str, instruments: Iterable[Instrument], count: int = 3) -> list[str]:
    """The known ids most like `word`, best first."""
    names: dict[str, str] = {}
    for one in instruments:
        for form in _forms(one):
            names.setdefault(form.upper(), one.id)
    matches = difflib.get_close_matches(word.upper(), names, n=count * 3, cutoff=0.4)
    return list(dict.fromkeys(names[match] for match in matches))[:count]
