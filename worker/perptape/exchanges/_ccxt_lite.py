"""Imports single classes out of CCXT without executing all 300 modules that its packages import at once.

CCXT's `__init__` files import every exchange (0.5 s, 100 MB). Here the packages `ccxt`, `ccxt.async_support` and `ccxt.pro` are
entered into `sys.modules` unexecuted; what is asked of them is imported when it is asked: an exchange's class from its module, an
error from `ccxt.base.errors`. Anything else executes the package's own `__init__`, in place, so that `import ccxt` elsewhere in the
process works as ever. What only CCXT's synchronous classes or signed calls use comes when one of those is asked for (`_ccxt_later`).
Where CCXT was imported before, or is laid out in another way than we know, the normal import is made.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

from perptape.exchanges._ccxt_later import bring_requests, left_out
from perptape.exchanges._certificates import read_later

_EARLY = {
    "ccxt": {"Exchange": "ccxt.base.exchange"},
    "ccxt.async_support": {"Exchange": "ccxt.async_support.base.exchange"},
    "ccxt.pro": {"Exchange": "ccxt.async_support.base.exchange"},
}


class _Package(ModuleType):
    """A package of CCXT whose `__init__` has not been executed."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        found = self._early(name)
        if found is None:
            self._execute()
            found = self.__dict__.get(name)
        if found is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        """The import of a submodule enters it here; where CCXT's `__init__` would put its class of the same name, so do we."""
        inner = getattr(value, name, None) if isinstance(value, ModuleType) else None
        if self.__name__ == "ccxt" and isinstance(inner, type):
            bring_requests()  # a synchronous exchange
        super().__setattr__(name, inner if isinstance(inner, type) else value)

    def _early(self, name: str) -> Any:
        """The attribute without executing the package, or None."""
        source = _EARLY[self.__name__].get(name)
        if source is not None:
            return getattr(import_module(source), name)
        error = getattr(import_module("ccxt.base.errors"), name, None)
        if isinstance(error, type) and issubclass(error, Exception):
            return error
        try:
            import_module(f"{self.__name__}.{name}")
        except ModuleNotFoundError as missing:
            if missing.name != f"{self.__name__}.{name}":
                raise
            return None
        return self.__dict__.get(name)

    def _execute(self) -> None:
        """What a normal import would have done."""
        spec: ModuleSpec = self.__dict__["__spec__"]
        bring_requests()
        self.__class__ = ModuleType  # type: ignore[assignment]
        assert spec.loader is not None
        spec.loader.exec_module(self)


def exchange_class(package: str, name: str) -> type[Any]:
    """CCXT's class of an exchange: `package` is ``async_support`` or ``pro``."""
    _enter()
    try:
        with read_later():
            found = getattr(import_module(f"ccxt.{package}.{name}"), name)
    except (ImportError, AttributeError, TypeError):
        _leave()
        found = getattr(import_module(f"ccxt.{package}"), name)
    if not isinstance(found, type):
        raise ImportError(f"ccxt.{package}.{name} is no class")
    return found


def errors() -> ModuleType:
    """CCXT's exceptions."""
    _enter()
    return import_module("ccxt.base.errors")


def _enter() -> None:
    """Enters the packages unexecuted, unless CCXT has been imported already."""
    if "ccxt" in sys.modules:
        return
    for name in _EARLY:
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            raise ImportError(f"{name} is not installed: pip install 'perptape[worker]'")
        plain = module_from_spec(spec)
        package = _Package(name)
        package.__dict__.update(plain.__dict__)
        sys.modules[name] = package
        parent, _, child = name.rpartition(".")
        if parent:
            sys.modules[parent].__dict__[child] = package
    with left_out():
        import_module("ccxt.base.exchange")


def _leave() -> None:
    """Forgets what was entered, so that the next import is a normal one."""
    for name in [name for name in sys.modules if name == "ccxt" or name.startswith("ccxt.")]:
        del sys.modules[name]
