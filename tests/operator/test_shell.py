"""The thin shell around it all can be put together: Kopf's handlers, the server, what is measured."""

from typing import Any

import kopf

from perptape_operator.__main__ import measured
from perptape_operator.handlers import configure, registry
from perptape_operator.server import application


async def test_everything_can_be_put_together(world: Any) -> None:
    operation = world.operation
    settings = kopf.OperatorSettings()
    assert registry(operation) is not None
    configure(settings, "ns.perptape")
    assert settings.scanning.disabled
    assert len(settings.watching.label_selectors) == 8
    assert {route.resource.canonical for route in application(operation).router.routes() if route.resource} == {
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/venues/{venue}/budget",
    }


def test_collections_are_exported(world: Any) -> None:
    world.spec()
    world.settle()
    world.operation.counters.registry.register(measured(world.operation))
    text = world.operation.counters.text().decode()
    assert 'perptape_collection_state{dataset="funding",exchange="okx",namespace="trading",spec="majors",state="Degraded"} 1.0' in text
