"""Stand-ins for the libraries that CCXT's base imports and that public calls never use, so that no job pays for them.

`requests` serves CCXT's synchronous classes only (80 ms), `cryptography` signatures with a private key only (8 MB, OpenSSL not
counted). Both are there as ever once they are needed: the first when a synchronous class is asked for, the second name by name when
CCXT calls it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_REQUESTS = ("requests", "requests.utils", "requests.exceptions")
_HAZMAT = "cryptography.hazmat"
_CRYPTOGRAPHY = (
    "cryptography",
    _HAZMAT,
    f"{_HAZMAT}.primitives",
    f"{_HAZMAT}.primitives.asymmetric",
    f"{_HAZMAT}.primitives.asymmetric.utils",
    f"{_HAZMAT}.primitives.serialization",
)


class _Requests(ModuleType):
    """A module of `requests`: its names are classes that nothing is an instance of, since CCXT catches some of them."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _LEFT_OUT[(self.__name__, name)] = left_out = type(name, (Exception,), {})
        return left_out


_LEFT_OUT: dict[tuple[str, str], type[Exception]] = {}


class _Cryptography(ModuleType):
    """A module of `cryptography`: its names are found when they are used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(self.__name__, name)


class _Name:
    """A module, class or function by its dotted name. While CCXT's class bodies are executed names of it are names too."""

    def __init__(self, parent: str, name: str) -> None:
        self._parent, self._name = parent, name

    def _real(self) -> Any:
        try:
            return getattr(import_module(self._parent), self._name)
        except AttributeError:
            return import_module(f"{self._parent}.{self._name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if isinstance(sys.modules.get("cryptography"), _Cryptography):
            return _Name(f"{self._parent}.{self._name}", name)
        return getattr(self._real(), name)


@contextmanager
def left_out() -> Iterator[None]:
    """Imports inside find stand-ins for what is not there already."""
    put = dict[str, ModuleType]()
    for names, stand_in in ((_REQUESTS, _Requests), (_CRYPTOGRAPHY, _Cryptography)):
        if names[0] not in sys.modules:
            put.update({name: stand_in(name) for name in names})
    sys.modules.update(put)
    try:
        yield
    finally:
        for name, module in put.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def bring_requests() -> None:
    """Puts the real `requests` where its stand-ins are."""
    module = sys.modules.get("ccxt.base.exchange")
    real = {id(left): getattr(import_module(source), name) for (source, name), left in _LEFT_OUT.items()}
    _LEFT_OUT.clear()
    if module is not None:
        module.__dict__.update({name: real[id(value)] for name, value in module.__dict__.items() if id(value) in real})
