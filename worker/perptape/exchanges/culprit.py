"""Which field of a payload its reader broke on: looked for afterwards, so that reading what is well costs nothing.

Pure. The reader is run once more over the same payload, whose blocks and lists note what is taken out of them: the last thing taken
is what it broke on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from perptape.exchanges.text import short
from perptape.instruments import Impossible

Path = tuple[str | int, ...]

ODD: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What reading a payload raises that is not as the venue documents it."""


class Malformed(ValueError):
    """An answer that the venue does not give when it is well: HTML with 200, an empty body, a list where an object belongs. Its text
    names the field."""


def blamed(payload: Any, read: Callable[[Any], object], error: Exception) -> str:
    """One line on `error`, which `read` raised over `payload`: the field, what is wrong with it, and the payload, shortened."""
    if isinstance(error, Malformed | Impossible):
        return f"{error}: {short(payload)}"
    path = _broke_on(payload, read)
    missing = isinstance(error, LookupError) and path and error.args[:1] in ((path[-1],), ("list index out of range",))
    said = "is missing" if missing else f"{type(error).__name__} {error}"
    return f"{dotted(path) or 'the whole'}: {short(said)}: {short(payload)}"


def dotted(path: Path) -> str:
    """``result.list.0.symbol``"""
    return ".".join(map(str, path))


def _broke_on(payload: Any, read: Callable[[Any], object]) -> Path:
    taken: list[Path] = [()]
    with suppress(*ODD):
        read(_seen(payload, (), taken))
    return taken[-1]


def _seen(value: Any, path: Path, taken: list[Path]) -> Any:
    """The value, whose parts are noted when they are taken out of it."""
    if isinstance(value, dict):
        return _Block(value, path, taken)
    return _Row(value, path, taken) if isinstance(value, list | tuple) else value


class _Block(dict[str, Any]):
    def __init__(self, value: dict[str, Any], path: Path, taken: list[Path]) -> None:
        super().__init__(value)
        self.path, self.taken = path, taken

    def __getitem__(self, key: str) -> Any:
        self.taken[:] = [(*self.path, key)]
        return _seen(super().__getitem__(key), self.taken[-1], self.taken)

    def get(self, key: str, default: Any = None) -> Any:
        self.taken[:] = [(*self.path, key)]
        return _seen(super().get(key, default), self.taken[-1], self.taken)


class _Row(list[Any]):
    def __init__(self, value: list[Any] | tuple[Any, ...], path: Path, taken: list[Path]) -> None:
        super().__init__(value)
        self.path, self.taken = path, taken

    def __getitem__(self, place: Any) -> Any:
        self.taken[:] = [self.path if isinstance(place, str) else (*self.path, place)]  # no list has a field: it should be a block
        return _seen(super().__getitem__(place), self.taken[-1], self.taken)

    def __iter__(self) -> Iterator[Any]:
        for place, value in enumerate(super().__iter__()):
            self.taken[:] = [(*self.path, place)]
            yield _seen(value, self.taken[-1], self.taken)
