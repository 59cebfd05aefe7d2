"""What holds for every test: properties are judged by what they say, never by how fast this machine was just then."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from support.minio import minio

__all__ = ["minio"]

settings.register_profile("perptape", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("perptape"), max_examples=20)
"""For `make check`; `make test` searches as far as hypothesis does by itself. What a test says of its own counts in both."""
settings.load_profile("perptape")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take long begin first, so that no process is left alone with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """No test finds where logs go as another left it: the command line and the campaign lead them elsewhere for their process."""
    yield
    structlog.reset_defaults()
