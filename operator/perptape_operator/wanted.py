"""Everything that a spec wants to be in the cluster. Pure."""

from dataclasses import dataclass
from typing import Any

from perptape_api.collect import Liquidations
from perptape_api.resource import CollectionSpec
from perptape_api.store import DEFAULT_SIZE
from perptape_operator import manifests
from perptape_operator.collectors import Collector
from perptape_operator.kinds import Manifest
from perptape_operator.likeness import quantity
from perptape_operator.pods import Home


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What of the live world the wanted objects depend on. `suspended` also where the spec must not run for another reason."""

    wanted_since: str
    suspended: bool
    tape: Manifest | None = None
    """The claim made for this spec, where it is there."""
    unpublished: bool = False
    """Whether segments may wait for a publisher even while nothing is collected."""
    suspended_since: str | None = None


def wanted(home: Home, document: Manifest, made: tuple[Collector, ...], at: Circumstances) -> tuple[Manifest, ...]:
    """Every child, hashed, in the order in which they are written."""
    found = [manifests.config_map(home, document, at.wanted_since, at.suspended_since if at.suspended else None)]
    volume = home.spec.store.persistent_volume_claim
    if volume is not None and volume.claim_name is None:
        found.append(manifests.claim(home, at.tape, claim_size(volume.size or DEFAULT_SIZE, at.tape)))
    if home.settings.network_policy:
        found.append(manifests.network_policy(home))
    for collector in made:
        if collector.form == "job":
            found.append(manifests.fetch_cron_job(home, collector, suspended=at.suspended))
        elif collector.form in ("stream", "resident"):
            found.append(manifests.deployment(home, collector, suspended=at.suspended))
        if collector.form == "stream" and not home.single_node and _replicas(home.spec, collector) > 1:
            found.append(manifests.disruption_budget(home, collector))
    found.append(manifests.publish_cron_job(home, suspended=at.suspended and not at.unpublished))
    if home.spec.verify is not None:
        found.append(manifests.verify_cron_job(home, home.spec.verify.every, suspended=at.suspended))
    return tuple(manifests.hashed(manifest) for manifest in found)


def claim_size(asked: str, live: Manifest | None) -> str:
    """The size to ask for: what the live claim has, where the spec asks for less."""
    has = _requested(live)
    if has is None:
        return asked
    return has if (quantity(has) or 0) >= (quantity(asked) or 0) else asked


def shrinking(spec: CollectionSpec, live: Manifest | None) -> str | None:
    """What to say where a claim has more than the spec asks for."""
    volume = spec.store.persistent_volume_claim
    has = _requested(live)
    if volume is None or volume.claim_name is not None or has is None:
        return None
    asked = volume.size or DEFAULT_SIZE
    if (quantity(has) or 0) <= (quantity(asked) or 0):
        return None
    return f"the claim keeps its {has}, more than the {asked} asked for: a volume cannot shrink"


def _requested(live: Manifest | None) -> str | None:
    resources: dict[str, Any] = ((live or {}).get("spec") or {}).get("resources") or {}
    return (resources.get("requests") or {}).get("storage")


def _replicas(spec: CollectionSpec, collector: Collector) -> int:
    found = spec.wanted()[collector.dataset]
    return found.replicas if isinstance(found, Liquidations) else 1
