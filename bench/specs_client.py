"""The bench's own way to an API server, and the peer: a bare asyncio client that applies the same objects without any thought."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client, config

from perptape_operator.kinds import COLLECTION, CONFIG_MAP, CRON_JOB, DEPLOYMENT, NETWORK_POLICY, Kind, Manifest, kind_of, name_of

KINDS = (COLLECTION, CONFIG_MAP, CRON_JOB, DEPLOYMENT, NETWORK_POLICY)
JSON, APPLY = "application/json", "application/apply-patch+yaml"
CONNECTIONS = 16
WRITES = ("APPLY", "DELETE", "PATCH", "POST", "PUT")


@dataclass
class Api:
    """Requests as they are; an answer of 400 and above is an error."""

    session: aiohttp.ClientSession
    base: str

    async def ask(self, method: str, path: str, body: Any = None, form: str = JSON) -> Any:
        data = None if body is None else json.dumps(body)
        async with self.session.request(method, self.base + path, data=data, headers={"Content-Type": form}) as answer:
            text = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: HTTP {answer.status}: {text[:500].decode(errors='replace')}")
            return json.loads(text)

    async def apply(self, manifest: Manifest, subresource: str = "") -> Any:
        path = kind_of(manifest).path(manifest["metadata"]["namespace"], name_of(manifest), subresource)
        return await self.ask("PATCH", f"{path}?fieldManager=peer&force=true", manifest, APPLY)

    async def listed(self, kind: Kind, namespace: str) -> list[Manifest]:
        found: list[Manifest] = []
        more = ""
        while True:
            page = await self.ask("GET", f"{kind.path(namespace)}?limit=500&continue={more}")
            found += page["items"]
            more = page["metadata"].get("continue", "")
            if not more:
                return found

    async def writes(self) -> int:
        """Requests that wrote, or would have, what the operator writes, since the server began: its own count."""
        async with self.session.get(f"{self.base}/metrics") as answer:
            text = await answer.text()
        plurals = {kind.plural for kind in KINDS} | {"events", "jobs", "persistentvolumeclaims"}
        count = 0
        for line in text.splitlines():
            if not line.startswith("apiserver_request_total{"):
                continue
            labels = dict(
                part.split("=", 1) for part in line[line.index("{") + 1 : line.rindex("}")].replace('"', "").split(",") if "=" in part
            )
            if labels.get("verb") in WRITES and labels.get("resource") in plurals:
                count += int(float(line.rsplit(" ", 1)[1]))
        return count


@asynccontextmanager
async def connected(kubeconfig: Path, connections: int = CONNECTIONS) -> AsyncIterator[Api]:
    """By the kubeconfig, with whatever it says about keys and certificates."""
    settings = client.Configuration()
    await config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
    rest: Any = client.ApiClient(configuration=settings).rest_client
    trust = rest.ssl_context
    headers = {one["key"]: one["value"] for one in (await settings.auth_settings()).values() if one["in"] == "header" and one["value"]}
    await rest.close()
    connector = aiohttp.TCPConnector(limit=connections, ssl=trust)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield Api(session, settings.host)


@dataclass
class Watched:
    """When anything last happened to the objects of a namespace, and how often: read from watches, unparsed."""

    last: float = field(default_factory=time.monotonic)
    count: int = 0

    async def quiet(self, seconds: float) -> float:
        """Waits until nothing has happened for so long; the second at which that began."""
        while (left := self.last + seconds - time.monotonic()) > 0:  # noqa: ASYNC110 - what is waited for is that nothing happens
            await asyncio.sleep(left)
        return self.last


@asynccontextmanager
async def watching(kubeconfig: Path, namespace: str, kinds: Iterable[Kind] = KINDS) -> AsyncIterator[Watched]:
    """Follows a namespace as long as this lasts."""
    seen = Watched()

    async def follow(api: Api, kind: Kind) -> None:
        version = (await api.ask("GET", f"{kind.path(namespace)}?limit=1"))["metadata"]["resourceVersion"]
        path = f"{kind.path(namespace)}?watch=true&resourceVersion={version}&timeoutSeconds=3600"
        async with api.session.get(api.base + path, timeout=aiohttp.ClientTimeout(total=None), read_bufsize=2**20) as answer:
            async for chunk in answer.content.iter_any():
                seen.count += chunk.count(b"\n")
                seen.last = time.monotonic()
        raise RuntimeError(f"the watch of {kind.plural} has ended")

    async with connected(kubeconfig, 16) as api:
        tasks = [asyncio.ensure_future(follow(api, kind)) for kind in kinds]
        await asyncio.sleep(1)
        try:
            yield seen
            if (dead := next((task for task in tasks if task.done()), None)) is not None:
                dead.result()
        finally:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError, RuntimeError):
                await asyncio.gather(*tasks)


async def peer(kubeconfig: Path, work: Sequence[tuple[Manifest, ...]]) -> None:
    """Applies every spec's objects, the first before the others, and last its status; as many requests at once as the operator makes."""
    async with connected(kubeconfig) as api:
        slots = asyncio.Semaphore(8)  # the operator's workers

        async def one(objects: tuple[Manifest, ...]) -> None:
            first, *rest, status = objects
            async with slots:
                await api.apply(first)
                await asyncio.gather(*map(api.apply, rest))
                await api.apply(status, "status")

        await asyncio.gather(*map(one, work))
