"""Kopf's events become cache entries and keys in our queue, nothing else: no finalizer, no annotation, no peering, no decision."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import kopf

from perptape_api.names import GROUP, PLURAL, VERSION
from perptape_operator import unstored
from perptape_operator.cluster import selector
from perptape_operator.kinds import CHILDREN, COLLECTION, Kind
from perptape_operator.operation import Operation

SERVER_TIMEOUT_S = 300
REQUEST_TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 10
IDLE_S = 0.2
"""How long Kopf keeps a task for an object, and with it the object as it last came, after its last event."""
WAITS_S = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 30.0)


class Unending:
    """Seconds between the attempts of a request, for ever. Kopf ends when one of its watches gives up, and all other watches with it:
    an API server that is away for minutes, or one namespace that is gone or grants nothing any more, must not take the rest along."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain(WAITS_S, itertools.repeat(WAITS_S[-1]))


def registry(operation: Operation) -> kopf.OperatorRegistry:
    """The handlers: one event handler for each kind, and none that retries, times or finalizes."""
    found = kopf.OperatorRegistry()

    @kopf.on.login(registry=found)
    def login(**given: Any) -> Any:  # a bare registry has none, and a pod would find no credentials
        return kopf.login_with_service_account(**given) or kopf.login_with_kubeconfig(**given)

    @kopf.on.startup(registry=found)
    async def begin(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings, operation.settings.identity)
        await operation.start()

    @kopf.on.cleanup(registry=found)
    async def end(**_: Any) -> None:
        await operation.stop()

    _watch(found, operation, COLLECTION)
    for kind in CHILDREN:
        _watch(found, operation, kind)
    return found


def _watch(found: kopf.OperatorRegistry, operation: Operation, kind: Kind) -> None:
    where = (GROUP, VERSION, PLURAL) if kind == COLLECTION else (kind.group, kind.api_version.rpartition("/")[2], kind.plural)

    @kopf.on.event(*where, registry=found, id=f"see-{kind.plural}")
    async def see(type: str | None, body: Mapping[str, Any], **_: Any) -> None:
        operation.seen(type, {**body, "apiVersion": kind.api_version, "kind": kind.name})


def configure(settings: kopf.OperatorSettings, identity: str) -> None:
    """Kopf's settings: watches that end before they stall, children filtered by the server, nothing posted or stored."""
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = (
        True  # it would list definitions and namespaces, which is nobody's business; the first resync waits for ours
    )
    settings.watching.server_timeout = SERVER_TIMEOUT_S
    settings.watching.client_timeout = SERVER_TIMEOUT_S + 30
    settings.watching.connect_timeout = CONNECT_TIMEOUT_S
    settings.queueing.idle_timeout = IDLE_S
    settings.networking.request_timeout = REQUEST_TIMEOUT_S
    settings.networking.error_backoffs = Unending()
    settings.persistence.diffbase_storage = unstored.NoDifferences()
    settings.persistence.progress_storage = unstored.NoProgress()
    for kind in CHILDREN:
        version = kind.api_version.rpartition("/")[2]
        settings.watching.label_selectors[kind.group, version, kind.plural] = selector(identity)
