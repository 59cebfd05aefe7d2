"""Asks every pod that stays how it stands, by its address, and hands what it says to the reconciler. Shell."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import structlog

from perptape_api.names import DATASET_LABEL, STATUS_PATH, WORKER_PORT
from perptape_operator import observed, report
from perptape_operator.cache import Cache, SpecKey, spec_of
from perptape_operator.cluster import Cluster, ClusterError
from perptape_operator.kinds import Manifest, labels_of, name_of, uid_of
from perptape_operator.report import Disbelieved, Report
from perptape_operator.settings import Settings

log = structlog.get_logger("perptape.operator")

TIMEOUT_S = 5.0
AT_ONCE = 32
COUNTERS_MS = 60_000

Told = Report | Disbelieved


@dataclass(slots=True)
class Poller:
    """What the pods said last goes into `told`, by their UID. `changed` is called with specs whose status may change."""

    cluster: Cluster
    cache: Cache
    settings: Settings
    now: Callable[[], int]
    changed: Callable[[SpecKey], None]
    told: dict[str, Told]
    _queued: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Polls until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
            while True:
                await self.once(session)
                await asyncio.sleep(self.settings.poll_s)

    async def once(self, session: aiohttp.ClientSession | None) -> None:
        """Asks every pod once; those that do not answer keep what they said, until they are gone."""
        slots = asyncio.Semaphore(AT_ONCE)
        pods = [pod for pod in self.cache.pods() if observed.stays(pod) and DATASET_LABEL in labels_of(pod)]
        there = {uid_of(pod) for pod in pods}
        for uid in [uid for uid in self.told if uid not in there]:
            del self.told[uid]
            self._queued.pop(uid, None)

        async def ask(pod: Manifest) -> None:
            async with slots:
                text = await self._asked(pod, session)
            if text is not None:
                self.hear(pod, report.read(text, name_of(pod), self.now(), report.LONGEST_STATUS))

        await asyncio.gather(*(ask(pod) for pod in pods))

    def hear(self, pod: Manifest, said: Told) -> None:
        """Takes what a pod said: a changed state is told at once, counters once a minute."""
        uid, key, now = uid_of(pod), spec_of(pod), self.now()
        before = self.told.get(uid)
        self.told[uid] = said
        if key is None or said == before:
            return
        if _state(said) != _state(before) or now - self._queued.get(uid, 0) >= COUNTERS_MS:
            self._queued[uid] = now
            self.changed(key)

    async def _asked(self, pod: Manifest, session: aiohttp.ClientSession | None) -> str | None:
        try:
            if self.settings.through_proxy or session is None:
                namespace = pod["metadata"]["namespace"]
                return await self.cluster.through_proxy(namespace, name_of(pod), WORKER_PORT, STATUS_PATH, report.LONGEST_STATUS)
            address = pod["status"]["podIP"]
            host = f"[{address}]" if ":" in address else address
            async with session.get(f"http://{host}:{WORKER_PORT}{STATUS_PATH}", allow_redirects=False) as answer:
                if answer.status != 200:
                    return None
                return await _limited(answer)
        except (aiohttp.ClientError, ClusterError, OSError, TimeoutError) as error:
            log.debug("a pod does not answer", pod=name_of(pod), error=str(error))
            return None


async def _limited(answer: aiohttp.ClientResponse) -> str:
    """At most a byte more than is believed, whatever is sent."""
    found = bytearray()
    async for chunk in answer.content.iter_chunked(16_384):
        found += chunk
        if len(found) > report.LONGEST_STATUS:
            break
    return bytes(found[: report.LONGEST_STATUS + 1]).decode(errors="replace")


def _state(said: Told | None) -> object:
    """What of a report is no counter."""
    if not isinstance(said, Report):
        return said
    return [(one.venue, one.dataset, one.state, one.ready, one.failed, one.error, one.unsupported) for one in said.collections] + [
        (said.exit, said.store_error, said.work_hash)
    ]
