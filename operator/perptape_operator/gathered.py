"""A spec with all that is known of its surroundings, and what it therefore wants: the input of plan and status. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perptape_api.collection import SpecError, document, parse
from perptape_api.resource import Collection, CollectionSpec
from perptape_operator import clock, naming, schedule, standing
from perptape_operator.cache import SpecKey
from perptape_operator.collectors import Collector, collectors
from perptape_operator.kinds import CLAIM, CONFIG_MAP, CRON_JOB, Manifest, controller_uid, name_of, uid_of
from perptape_operator.plan import Mine, Ref
from perptape_operator.pods import Home
from perptape_operator.settings import Settings
from perptape_operator.stores import Conflict, Keeping
from perptape_operator.wanted import Circumstances, wanted


@dataclass(frozen=True, slots=True)
class Unusable:
    """A resource that got past the API server and is no valid spec."""

    faults: tuple[str, ...]


@dataclass(slots=True)
class Gathered:
    """Everything about one spec at one time. `home` is None where the spec cannot be used: then nothing of it is touched."""

    key: SpecKey
    collection: Manifest
    live: dict[Ref, Manifest]
    home: Home | None = None
    faults: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    made: tuple[Collector, ...] = ()
    wanted: tuple[Manifest, ...] = ()
    suspended: bool = False
    conflict: Conflict | None = None
    claim: Manifest | None = None
    foreign: str | None = None
    """The claim that the spec names: somebody else's, which no list shows."""
    wanted_since: str | None = None
    now: int = 0
    unread: frozenset[Ref] = frozenset()
    """What is wanted, and may not be read."""
    written: Mapping[Ref, int] = field(default_factory=dict)
    """When this operator last wrote an object, in ms, as far as it remembers."""
    counted: frozenset[str] | None = None
    """Pods whose reports' rows are in status; None where that is not known, and only the time of the last run is."""
    planned: dict[Ref, Manifest] = field(default_factory=dict)

    @property
    def mine(self) -> Mine:
        """Of one that has a home."""
        assert self.home is not None
        return Mine(self.home.settings.identity, self.key.name, self.home.uid)

    @property
    def generation(self) -> int:
        return int(self.collection["metadata"].get("generation", 0))


def parsed(collection: Manifest) -> Collection | Unusable:
    """The spec in a resource. Fields of a newer CRD are ignored."""
    try:
        return parse({key: value for key, value in collection.items() if key != "status"}, "spec", unknown="ignore")
    except SpecError as error:
        return Unusable(error.lines)


def unusable(key: SpecKey, collection: Manifest, live: dict[Ref, Manifest], why: Unusable) -> Gathered:
    return Gathered(key, collection, live, faults=why.faults, wanted_since=standing.earlier(collection).wanted_since)


def keeping(key: SpecKey, collection: Manifest, spec: CollectionSpec) -> Keeping:
    """Where the spec keeps its tape."""
    born = str(collection["metadata"].get("creationTimestamp", ""))
    return Keeping(naming.store_id(key.namespace, key.name, spec), spec.store.format, born)


def foreign_claim(spec: CollectionSpec) -> str | None:
    """A claim that somebody else made."""
    volume = spec.store.persistent_volume_claim
    return None if volume is None else volume.claim_name


def gathered(
    key: SpecKey,
    collection: Manifest,
    told: Collection,
    live: dict[Ref, Manifest],
    claim: Manifest | None,
    conflict: Conflict | None,
    settings: Settings,
    now: int,
) -> Gathered:
    """The whole. `claim`: the live foreign claim, where the spec names one."""
    spec = told.spec
    own = live.get((CLAIM.name, naming.child_name(key.name, naming.TAPE))) if foreign_claim(spec) is None else None
    tape = own or claim
    home = Home(key.namespace, key.name, uid_of(collection), spec, settings, single_node(spec, tape))
    suspended = spec.suspend or conflict is not None
    config = live.get((CONFIG_MAP.name, home.config_map))
    if config is not None and controller_uid(config) not in (None, home.uid):
        config = None  # what an earlier spec wanted; the collector is about to take it
    since = wanted_since(collection, config, now, suspended=suspended)
    made = collectors(key.namespace, key.name, spec)
    plain = document(told)
    plain["metadata"] = {"name": key.name, "namespace": key.namespace}
    stopped = suspended_since(config, now) if suspended else None
    at = Circumstances(since, suspended, own, unpublished(collection, live, key.name, stopped), stopped)
    found = wanted(home, plain, made, at)
    return Gathered(
        key,
        collection,
        live,
        home,
        ignored=tuple(sorted(ignored(collection["spec"], plain["spec"]))),
        made=made,
        wanted=found,
        suspended=spec.suspend,
        conflict=conflict,
        claim=tape,
        wanted_since=since,
        now=now,
        planned={(manifest["kind"], name_of(manifest)): manifest for manifest in found},
    )


def single_node(spec: CollectionSpec, claim: Manifest | None) -> bool:
    """Whether the pods of the store must share a node."""
    volume = spec.store.persistent_volume_claim
    if volume is None:
        return False
    if claim is not None:
        return "ReadWriteMany" not in (claim["spec"].get("accessModes") or ())
    return volume.access_mode != "ReadWriteMany"


def wanted_since(collection: Manifest, config_map: Manifest | None, now: int, *, suspended: bool) -> str:
    """Since when the collection is wanted: kept while it runs, and set anew when it is resumed."""
    if config_map is not None:
        data = config_map.get("data") or {}
        resumed = data.get("suspended") == "true" and not suspended
        if clock.ms(data.get("wantedSince")) is not None and not resumed:
            return str(data["wantedSince"])
        if resumed:
            return clock.iso(now)
    before = standing.earlier(collection)
    if before.wanted_since is not None:
        return before.wanted_since
    return clock.iso(now) if before.observed_generation is None else str(collection["metadata"]["creationTimestamp"])


def suspended_since(config_map: Manifest | None, now: int) -> str:
    """Since when nothing new is started."""
    data = (config_map or {}).get("data") or {}
    return str(data["suspendedSince"]) if clock.ms(data.get("suspendedSince")) is not None else clock.iso(now)


def unpublished(collection: Manifest, live: dict[Ref, Manifest], name: str, stopped: str | None) -> bool:
    """Whether a publisher ran, and did not say after the last run under way was over that it left nothing."""
    publisher = standing.earlier(collection).publisher
    if publisher is not None and publisher.segments == 0:
        over = (clock.ms(stopped) or 0) + (schedule.MOST_BUDGET_S + schedule.GRACE_S) * 1000
        return stopped is not None and (clock.ms(publisher.last_run) or 0) < over
    cron_job = live.get((CRON_JOB.name, naming.child_name(name, naming.PUBLISH)))
    return publisher is not None or bool(((cron_job or {}).get("status") or {}).get("lastScheduleTime"))


def ignored(given: Any, understood: Any, path: str = "spec") -> list[str]:
    """The fields of a spec that this operator does not know."""
    if isinstance(given, dict) and isinstance(understood, dict):
        unknown = [f"{path}.{name}" for name in given if name not in understood and given[name] is not None]
        return unknown + [one for name in given if name in understood for one in ignored(given[name], understood[name], f"{path}.{name}")]
    if isinstance(given, list) and isinstance(understood, list) and len(given) == len(understood):
        return [one for index, item in enumerate(given) for one in ignored(item, understood[index], f"{path}[{index}]")]
    return []
