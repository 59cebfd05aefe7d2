"""The thin shell around it all can be put together: Kopf's handlers, the server, what is measured."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import kopf
import pytest

from perptape_operator.__main__ import measured
from perptape_operator.handlers import configure, registry
from perptape_operator.kinds import COLLECTION
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


def test_a_watch_is_asked_for_again_without_an_end() -> None:
    """Kopf ends, and all watches with it, when one has run out of attempts: after 54 seconds, by itself."""
    settings = kopf.OperatorSettings()
    configure(settings, "ns.perptape")
    waits = settings.networking.error_backoffs
    assert isinstance(waits, Iterable)
    for _ in range(2):  # each request begins anew
        attempts = list(itertools.islice(waits, 1000))
        assert (len(attempts), attempts[0], max(attempts)) == (1000, 1, 30)


async def test_an_operator_that_stopped_and_did_not_end_is_not_alive(world: Any) -> None:
    await world.operation.start()
    await asyncio.sleep(0)  # its tasks begin
    assert world.operation.alive()
    await world.operation.stop()
    assert not world.operation.alive()


def test_collections_are_exported(world: Any) -> None:
    world.spec()
    world.settle()
    world.operation.counters.registry.register(measured(world.operation))
    text = world.operation.counters.text().decode()
    assert 'perptape_collection_state{dataset="funding",exchange="okx",namespace="trading",spec="majors",state="Degraded"} 1.0' in text


def test_a_scrape_tells_what_is_so_by_then(world: Any) -> None:
    world.spec()
    world.settle()
    world.operation.counters.registry.register(measured(world.operation))
    assert 'perptape_spec_ready{namespace="trading",spec="majors"} 0.0' in world.operation.counters.text().decode()
    world.spec(suspend=True)
    world.settle()
    text = world.operation.counters.text().decode()
    assert 'dataset="funding",exchange="okx",namespace="trading",spec="majors",state="Suspended"} 1.0' in text
    world.cluster.remove(COLLECTION, "trading", "majors")
    assert 'spec="majors"' not in world.operation.counters.text().decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.96.0.1"}, None),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
    ],
)
def test_the_proxy_for_the_api_server_is_looked_up_once(environ: dict[str, str], expected: str | None) -> None:
    program = "from perptape_operator.cluster import proxy_of; print(proxy_of('https://10.96.0.1:443'))"
    said = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(expected)


async def test_kopf_keeps_nothing_of_what_it_sees(world: Any) -> None:
    settings = kopf.OperatorSettings()
    configure(settings, "ns.perptape")
    differences, progress = settings.persistence.diffbase_storage, settings.persistence.progress_storage
    body = kopf.Body({"metadata": {"annotations": {"a": "b"}}, "spec": {"c": 1}})
    essence = differences.build(body=body)
    patch = kopf.Patch()
    differences.store(body=body, patch=patch, essence=essence)
    progress.purge(body=body, patch=patch, key="see")
    progress.touch(body=body, patch=patch, value="now")
    assert (dict(patch), differences.fetch(body=body), progress.fetch(body=body, key="see")) == ({}, None, None)
    assert dict(progress.clear(essence=essence)) == {}
