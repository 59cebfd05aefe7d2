"""`python -m perptape_operator`: settings, logs, the HTTP server and Kopf, until a signal."""

import asyncio
import gc
import logging
import sys
import time

import kopf
import structlog
from pydantic import ValidationError

from perptape_api.status import Status
from perptape_operator.cache import SpecKey
from perptape_operator.cluster import ApiServer
from perptape_operator.handlers import registry
from perptape_operator.kinds import COLLECTION
from perptape_operator.metrics import Standing
from perptape_operator.operation import Operation
from perptape_operator.server import serve
from perptape_operator.settings import Settings
from perptape_operator.standing import earlier


def main() -> int:
    """0 after a clean end, 2 when the environment says nonsense."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            sys.stderr.write(f"PERPTAPE_{'_'.join(str(step) for step in fault['loc']).upper().removeprefix('PERPTAPE_')}: {fault['msg']}\n")
        return 2
    configure_logs(settings)
    gc.collect()
    gc.freeze()  # modules stay; looking through them again and again is a tenth of the work
    gc.set_threshold(20_000, 20, 50)
    asyncio.run(run(settings))
    return 0


async def run(settings: Settings) -> None:
    """Everything, until a signal."""
    api = await ApiServer.connect(settings.connections)
    operation = Operation(api, settings, lambda: time.time_ns() // 1_000_000, time.monotonic)
    operation.counters.registry.register(measured(operation))
    server = await serve(operation, settings.http_port)
    try:
        await kopf.operator(
            registry=registry(operation), standalone=True, clusterwide=not settings.namespaces, namespaces=settings.namespaces
        )
    finally:
        await operation.stop()
        await server.cleanup()
        await api.close()


def measured(operation: Operation) -> Standing:
    """What is read at every scrape, in a thread beside the loop."""
    known: dict[SpecKey, tuple[str, Status]] = {}
    """A status is read out of a resource once for each of its versions, for that takes a millisecond."""

    def statuses() -> list[tuple[SpecKey, Status]]:
        nonlocal known
        before, found = known, {}
        for key, version in operation.cache.versions():
            there = before.get(key)
            if there is None or there[0] != version:
                collection = operation.cache.get(COLLECTION, *key)
                there = None if collection is None else (version, earlier(collection))
            if there is not None:
                found[key] = there
        known = found
        return [(key, status) for key, (_, status) in found.items()]

    def offset(key: SpecKey, exchange: str, dataset: str) -> int:
        known = operation.reconciler.memory.due.get(key, {}).get((exchange, dataset))
        return 0 if known is None else known.offset

    return Standing(
        statuses,
        operation.now,
        offset,
        lambda: len(operation.queue.schedule),
        lambda: operation.queue.schedule.failing(),
        operation.pauses.known,
        lambda: {venue: sum(one.granted for one in ledger.holders.values()) for venue, ledger in list(operation.pauses.ledgers.items())},
    )


def configure_logs(settings: Settings) -> None:
    """One line for each event, ours and Kopf's alike."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    plain = settings.log_format == "console"
    last: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=False) if plain else structlog.processors.JSONRenderer()
    finish = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=finish))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("kopf", "aiohttp", "asyncio"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


if __name__ == "__main__":
    sys.exit(main())
