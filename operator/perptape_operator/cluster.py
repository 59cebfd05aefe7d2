"""The only client of Kubernetes: reads, lists in pages, applies with a fixed field manager, deletes; foreign errors stop here."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config
from pydantic_core import from_json  # three times as fast as the standard library's

from perptape_api.names import OPERATOR_LABEL
from perptape_operator import fields_owned, undeclared
from perptape_operator.kinds import COLLECTION, POD, Kind, Manifest, kind_of, name_of, uid_of
from perptape_operator.undeclared import Field

MANAGER: Final = "perptape-operator"
STATUS_MANAGER: Final = "perptape-operator-status"
MARK_MANAGER: Final = "perptape-operator-first-run"
PAGE: Final = 100
"""Objects in a page of a list: the largest thing that the operator ever holds in memory at once."""
TIMEOUT_S: Final = 30.0
APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"


class ClusterError(Exception):
    """The API server did not do it; a later attempt may succeed."""

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Forbidden(ClusterError):
    """A permission is missing; the message names it."""


class Invalid(ClusterError):
    """The object is refused as it is: by the schema, an immutable field, a quota, a policy."""


class Exists(ClusterError):
    """There is an object of this name already."""


class Undeclared(ClusterError):
    """The definition in the cluster does not declare some fields of a status."""

    def __init__(self, message: str, status: int, fields: frozenset[Field]) -> None:
        super().__init__(message, status)
        self.fields = fields


class Expired(ClusterError):
    """A list went on too long, and must begin again."""


class Cluster(Protocol):
    """What the operator needs of a cluster. FakeCluster is the other one."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None: ...

    async def list(self, kind: Kind, namespace: str | None, labels: str, heard: Callable[[Manifest], object]) -> str: ...

    async def create(self, manifest: Manifest) -> Manifest: ...

    async def apply(self, manifest: Manifest, uid: str, manager: str = MANAGER) -> Manifest: ...

    async def apply_status(self, namespace: str, name: str, uid: str, status: Mapping[str, Any]) -> Manifest: ...

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None: ...

    async def event(self, namespace: str, event: Manifest) -> None: ...

    async def through_proxy(self, namespace: str, pod: str, port: int, path: str, longest: int) -> str: ...


def proxy_of(host: str) -> str | None:
    """The proxy by which the environment has the API server asked; None where it is asked directly."""
    url = urlsplit(host)
    if proxy_bypass(url.hostname or ""):
        return None
    return getproxies().get(url.scheme)


def selector(identity: str) -> str:
    """By what the server filters the children."""
    return f"{OPERATOR_LABEL}={identity}"


def scoped(kind: Kind, identity: str) -> str:
    """The selector for lists of a kind; specs have none."""
    return "" if kind == COLLECTION else selector(identity)


class ApiServer:
    """A real cluster."""

    def __init__(self, api: client.ApiClient, connections: int) -> None:
        self._api = api
        self._rest: Any = api.rest_client
        self._slots = asyncio.Semaphore(connections)

    @classmethod
    async def connect(cls, connections: int) -> "ApiServer":
        """By the pod's account where there is one, else by the kubeconfig."""
        settings = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            await config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        settings.connection_pool_maxsize = connections + 4
        settings.proxy = settings.proxy or proxy_of(settings.host)
        settings.client_session_kwargs = {"trust_env": False}  # else a thread looks for the proxy at every request
        return cls(client.ApiClient(configuration=settings), connections)

    async def close(self) -> None:
        await self._rest.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        try:
            return await self._json("GET", kind.path(namespace, name))
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, kind: Kind, namespace: str | None, labels: str, heard: Callable[[Manifest], object]) -> str:
        """Tells every object as its page comes (all at once would be most of the memory), and returns the version of the list."""
        query = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {})
        while True:
            page = await self._json("GET", f"{kind.path(namespace)}?{urlencode(query)}")
            for item in page.get("items") or ():
                heard({**item, "apiVersion": kind.api_version, "kind": kind.name})
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return str(metadata.get("resourceVersion", ""))
            query["continue"] = metadata["continue"]

    async def create(self, manifest: Manifest) -> Manifest:
        """Makes an object that is not there; raises Exists where one of its name is, whosever it is."""
        kind, query = kind_of(manifest), urlencode({"fieldManager": MANAGER})
        return await self._json("POST", f"{kind.path(manifest['metadata']['namespace'])}?{query}", manifest)

    async def apply(self, manifest: Manifest, uid: str, manager: str = MANAGER) -> Manifest:
        """Writes the fields of the manifest to the object of that UID, and takes away those that this manager wrote before and that are
        in it no more. Another object of the name is refused, whosever it is."""
        kind, body = kind_of(manifest), {**manifest, "metadata": {**manifest["metadata"], "uid": uid}}
        if manager == MANAGER:
            await self._owned(kind, body)
        return await self._apply(kind, body, manager)

    async def apply_status(self, namespace: str, name: str, uid: str, status: Mapping[str, Any]) -> Manifest:
        metadata = {"name": name, "namespace": namespace, "uid": uid}  # another spec of this name is refused
        body = {"apiVersion": COLLECTION.api_version, "kind": COLLECTION.name, "metadata": metadata, "status": dict(status)}
        return await self._apply(COLLECTION, body, STATUS_MANAGER, "status")

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._json("DELETE", kind.path(namespace, name), body)
        except ClusterError as error:
            if error.status not in (404, 409):  # gone, or another one by now
                raise

    async def event(self, namespace: str, event: Manifest) -> None:
        await self._json("POST", f"/api/v1/namespaces/{namespace}/events", event)

    async def through_proxy(self, namespace: str, pod: str, port: int, path: str, longest: int) -> str:
        found = await self._text("GET", POD.path(namespace, f"{pod}:{port}", f"proxy{path}"), None, "application/json")
        return found[: longest + 1]

    async def _owned(self, kind: Kind, manifest: Manifest) -> None:
        """Has the server take what we created for what we applied: else a field that is wanted no more would stay."""
        namespace, name = manifest["metadata"]["namespace"], name_of(manifest)
        live = await self.get(kind, namespace, name)
        if live is not None and uid_of(live) != uid_of(manifest):
            raise ClusterError(f"{kind.name} {name} is another one by now", 409)
        if live is not None and (patch := fields_owned.applied(live, MANAGER)) is not None:
            await self._json("PATCH", kind.path(namespace, quote(name)), patch, JSON_PATCH)

    async def _apply(self, kind: Kind, body: Manifest, manager: str, subresource: str = "") -> Manifest:
        query = urlencode({"fieldManager": manager, "force": "true"})
        path = kind.path(body["metadata"]["namespace"], quote(name_of(body)), subresource)
        return await self._json("PATCH", f"{path}?{query}", body, APPLY)

    async def _json(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Manifest:
        found: Manifest = from_json(await self._text(method, path, body, content))
        return found

    async def _text(self, method: str, path: str, body: Any, content: str) -> str:
        settings = self._api.configuration
        headers = {"Accept": "application/json", "Content-Type": content, "User-Agent": MANAGER}
        for auth in (await settings.auth_settings()).values():
            if auth["in"] == "header" and auth["value"]:
                headers[auth["key"]] = auth["value"]
        try:
            async with self._slots:
                answer = await self._rest.request(method, settings.host + path, headers=headers, body=body, _request_timeout=TIMEOUT_S)
                text = str((await answer.read()).decode(errors="replace"))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ClusterError(f"the API server cannot be reached: {error or type(error).__name__}") from error
        if answer.status >= 400:
            raise refusal(answer.status, text, answer.headers.get("Retry-After"), f"{method} {path.partition('?')[0]}")
        return text


def refusal(status: int, text: str, retry_after: str | None, what: str) -> ClusterError:
    """The error that an answer means. Pure."""
    try:
        body = json.loads(text)
        said, reason = str(body.get("message") or text), body.get("reason")
    except (ValueError, AttributeError):
        said, reason = text, None
    message = f"{what}: {said[:500] or status}"
    unknown = undeclared.fields(said)
    if unknown:
        return Undeclared(message, status, unknown)
    if status == 401:
        return ClusterError(f"the API server does not know the operator's account: {message}", status)
    if status == 403:
        denied = 'User "' in said and " cannot " in said  # the words of the authorizer; admission says 403 too
        return Forbidden(said[:500], status) if denied else Invalid(message, status)
    if status in (400, 422):
        return Invalid(message, status)
    if reason == "AlreadyExists":
        return Exists(message, status)
    if status == 410:
        return Expired(message, status)
    wait = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    return ClusterError(message, status, None if wait is None else min(wait, 60.0))
