"""What the operator is told by its environment (PERPTAPE_…), read once by __main__ and handed down as a value."""

import json
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _listed(value: Any) -> Any:
    """Names joined by commas, or a JSON list of names or of blocks with a name, as the chart writes them."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        return tuple(item["name"] if isinstance(item, dict) else item for item in json.loads(value))
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class Settings(BaseSettings):
    """The chart's values, as the operator's pod has them in its environment (charts/perptape/templates/_environment.tpl)."""

    model_config = SettingsConfigDict(env_prefix="PERPTAPE_", frozen=True, extra="ignore", populate_by_name=True)

    identity: Annotated[
        str,
        Field(pattern="^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$", validation_alias=AliasChoices("PERPTAPE_OPERATOR", "identity")),
    ] = "perptape"
    """Who this operator is among others: the value of the label perptape.io/operator on everything it makes. Never change it."""
    namespaces: Names = ()
    """The namespaces that are watched; none means all of them, which needs a ClusterRole."""
    namespace: str = ""
    """The operator's own namespace: workers admit it to their port, and may reach it."""
    pod_labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the operator's pod, for the workers' NetworkPolicy."""

    worker_image: str = "perptape-worker:dev"
    worker_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    worker_pull_secrets: Names = ()
    worker_resources: dict[str, dict[str, str]] = Field(
        default_factory=lambda: {"requests": {"cpu": "50m", "memory": "160Mi"}, "limits": {"memory": "512Mi"}}
    )
    """For specs that say nothing about it."""
    worker_log_level: Literal["debug", "info", "warning", "error"] = "info"
    worker_log_format: Literal["console", "json"] = "json"
    worker_user: Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(lambda value: None if value == "" else value)] = 65532
    """The user and group that worker pods run as, and the group of their volumes; None (an empty text) leaves them to the cluster."""
    network_policy: bool = True
    """Whether a NetworkPolicy is made for each spec."""
    scrapers: list[dict[str, Any]] = Field(default_factory=list)
    """NetworkPolicy peers beside the operator that may reach the workers' port, as in ingress.from."""

    http_port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """Where the operator serves /metrics, /healthz, /readyz and the budget."""
    budget_url: str = ""
    """How workers reach that port, as in http://perptape-operator.perptape.svc:8080; empty: no budget, workers use the fallback."""
    budget_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """This operator's part of what a venue allows one address."""
    budget_fallback: Annotated[float, Field(gt=0, le=1)] = 0.05
    """A worker's part of a venue's limit when the operator never answered it."""

    workers: Annotated[int, Field(ge=1, le=64)] = 8
    """How many specs are reconciled at once."""
    connections: Annotated[int, Field(ge=1, le=256)] = 16
    """How many requests to the API server at once."""
    resync_s: Annotated[float, Field(ge=10)] = 300.0
    """How often everything is listed afresh and every spec reconciled."""
    poll_s: Annotated[float, Field(ge=1)] = 20.0
    """How often every worker that stays is asked for its status."""
    through_proxy: bool = False
    """Ask workers through the API server's pods/proxy: for an operator that runs outside the cluster."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "json"
