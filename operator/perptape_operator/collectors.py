"""Which children collect what: every dataset of every venue, and the form that it takes in the cluster. Pure."""

from dataclasses import dataclass
from typing import Literal, cast

from perptape_api.collect import Sampled
from perptape_api.durations import Every
from perptape_api.names import WITHOUT_FEED
from perptape_api.resource import CollectionSpec
from perptape_api.work import work_hash
from perptape_operator import naming, schedule
from perptape_operator.kinds import CRON_JOB, DEPLOYMENT, Kind

Form = Literal["job", "resident", "stream", "none"]
DatasetName = Literal["open_interest", "funding", "liquidations"]


@dataclass(frozen=True, slots=True)
class Collector:
    """One dataset of one venue. `child` is its name without the spec's; `unsupported` says why there is none."""

    exchange: str
    dataset: DatasetName
    form: Form
    child: str
    name: str
    work: str
    every: Every | None = None
    cron: str = ""
    delay_s: int = 0
    unsupported: str = ""

    @property
    def kind(self) -> Kind | None:
        return {"job": CRON_JOB, "resident": DEPLOYMENT, "stream": DEPLOYMENT, "none": None}[self.form]

    @property
    def key(self) -> tuple[str, str]:
        return (self.exchange, self.dataset)

    @property
    def shown(self) -> str | None:
        """As kubectl takes it: ``cronjob/majors-binance-funding``."""
        return None if self.kind is None else f"{self.kind.name.lower()}/{self.name}"

    @property
    def timing(self) -> str | None:
        """When it runs, for status."""
        if self.form == "job":
            return self.cron
        return f"resident, every {self.every}" if self.form == "resident" else "live" if self.form == "stream" else None


def collectors(namespace: str, name: str, spec: CollectionSpec) -> tuple[Collector, ...]:
    """Every collector of a spec, in the order of its venues."""
    names = [cast(DatasetName, dataset) for dataset in spec.wanted()]
    return tuple(_collector(namespace, name, spec, venue.exchange, dataset) for venue in spec.venues for dataset in names)


def _collector(namespace: str, name: str, spec: CollectionSpec, exchange: str, dataset: DatasetName) -> Collector:
    child = naming.part(exchange, dataset)
    full, work = naming.child_name(name, child), work_hash(spec, exchange, dataset)
    without = WITHOUT_FEED.get((exchange, dataset))
    if without is not None:
        return Collector(exchange, dataset, "none", child, full, work, unsupported=without)
    wanted = spec.wanted()[dataset]
    if not isinstance(wanted, Sampled):
        return Collector(exchange, dataset, "stream", child, full, work)
    chance = schedule.seed(namespace, name, child)
    line, delay = schedule.cron(wanted.every, chance), schedule.start_delay_s(wanted.every, chance)
    form: Form = "resident" if wanted.resident else "job"
    return Collector(exchange, dataset, form, child, full, work, wanted.every, line, delay if form == "job" else 0)
