"""Lets TLS contexts read the machine's certificates when they are first used, not when they are made.

Reading takes 25 ms, and aiohttp makes two contexts when it is imported; CCXT has one of its own and never uses either.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def _later(context: ssl.SSLContext) -> None:
    """Stands for `set_default_verify_paths`: it is called by the first connection that the context is asked to wrap."""

    def first(name: str) -> Any:
        def wrap(*arguments: Any, **named: Any) -> Any:
            for kept in ("wrap_bio", "wrap_socket"):
                context.__dict__.pop(kept, None)
            context.set_default_verify_paths()
            return getattr(context, name)(*arguments, **named)

        return wrap

    context.__dict__.update(wrap_bio=first("wrap_bio"), wrap_socket=first("wrap_socket"))


@contextmanager
def read_later() -> Iterator[None]:
    """Contexts that are made inside read the machine's certificates when they are first used."""
    if "set_default_verify_paths" in vars(ssl.SSLContext):  # somebody else has changed it
        yield
        return
    ssl.SSLContext.set_default_verify_paths = _later  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths
