"""Simulated venues inside the test cluster, spoken to through the API server: no port is forwarded and no pod is needed for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from support import workloads
from support.control import Control
from support.kube import Cluster


@dataclass(frozen=True, slots=True)
class Inside(Control):
    """The Service `venues` of a namespace."""

    cluster: Cluster
    namespace: str
    endpoints: dict[str, str]
    """Where pods of this namespace reach each venue."""

    def control(self, method: str, name: str, body: Any = None, **query: Any) -> Any:
        service = f"/api/v1/namespaces/{self.namespace}/services/venues:{workloads.FIRST_PORT}/proxy"
        path = f"{service}/_control/{name}?{urlencode(query)}"
        verb = {"GET": "get", "POST": "create", "DELETE": "delete"}[method]
        sent = ["--filename", "-"] if method == "POST" else []
        text = self.cluster.kubectl(verb, "--raw", path, *sent, given=json.dumps(body) if method == "POST" else None)
        return json.loads(text)

    def anywhere(self) -> dict[str, str]:
        """Where pods of any namespace reach each venue."""
        return {venue: url.replace("//venues:", f"//venues.{self.namespace}.svc:") for venue, url in self.endpoints.items()}
