"""A namespace of the test cluster, and what a test asks for in it: simulated venues, an S3 server, the operator by its chart."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from support import watching, workloads
from support.images import Images
from support.inside import Inside
from support.kube import Cluster

ROOT = Path(__file__).resolve().parents[2]
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest"}


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace under the restricted Pod Security Standard; what it lacks, a test asks for."""

    cluster: Cluster
    name: str
    images: Images

    def kubectl(self, *arguments: str, given: str | None = None, within: float = 120) -> str:
        return self.cluster.kubectl("--namespace", self.name, *arguments, given=given, within=within)

    def apply(self, *manifests: dict[str, Any]) -> None:
        """As a user does, but for kubectl's own look at the fields, which costs more than all else."""
        self.kubectl(
            "apply",
            "--validate=ignore",
            "--filename",
            "-",
            given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}),
        )

    def get(self, *what: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", *what, "--output", "json"))
        return found

    def wait(self, what: str, condition: str, within: int = 120) -> None:
        """Waits for a condition as in `condition=Ready` or `jsonpath={.status.phase}=Succeeded`."""
        self.kubectl("wait", what, f"--for={condition}", f"--timeout={within}s", within=within + 10)

    def available(self, deployment: str, within: int = 120) -> None:
        self.kubectl("rollout", "status", f"deployment/{deployment}", f"--timeout={within}s", within=within + 10)

    def python(self, where: str, program: str, *arguments: str) -> str:
        """What a program prints inside a pod that runs one of our images."""
        return self.kubectl("exec", where, "--", "python", "-c", program, *arguments)

    def ran(self, name: str, image: str, *arguments: str, within: int = 120, **container: Any) -> str:
        """What a pod prints that runs once and succeeds."""
        self.apply(workloads.pod(name, workloads.restricted(image, list(arguments), **container)))
        try:
            self.wait(f"pod/{name}", "jsonpath={.status.phase}=Succeeded", within)
        except Exception as error:
            error.add_note(self.kubectl("describe", "pod", name)[-3000:])
            error.add_note(self.kubectl("logs", name, "--tail=50"))
            raise
        return self.kubectl("logs", name)

    def until(self, kind: str, name: str, holds: Callable[[dict[str, Any]], object], within: float = 120) -> dict[str, Any]:
        """The object as soon as `holds` does of it; it need not be there yet."""
        return watching.until(self.cluster, self.name, kind, name, holds, within)

    def until_told(self, spec: str, holds: Callable[[dict[str, Any]], object], within: float = 120) -> dict[str, Any]:
        """A CollectionSpec's status, as soon as it is about the spec as it stands and `holds` does of it."""

        def tells(one: dict[str, Any]) -> object:
            status = one.get("status") or {}
            return status.get("observedGeneration") == one["metadata"]["generation"] and holds(status)

        try:
            status: dict[str, Any] = self.until("collectionspec", spec, tells, within)["status"]
        except watching.NotSeen as error:
            error.add_note(self.kubectl("get", "pods,jobs,cronjobs,deployments,pvc", "--output", "wide"))
            error.add_note(self.kubectl("get", "events", "--sort-by=.lastTimestamp")[-4000:])
            raise
        return status

    def run_now(self, cron_job: str, name: str, within: float = 150) -> dict[str, Any]:
        """A Job made of a CronJob, as `kubectl create job --from` makes it, once it has ended; it may have failed."""
        self.kubectl("create", "job", name, f"--from=cronjob/{cron_job}")
        return self.ended(name, within)

    def ended(self, job: str, within: float = 150) -> dict[str, Any]:
        """A Job, once it has ended."""
        return self.until("job", job, lambda one: ending(one) is not None, within)

    def children(self, spec: str) -> dict[str, dict[str, Any]]:
        """What the operator made for a spec, by ``Kind/name``, without Jobs and pods."""
        listed = self.get(
            "configmaps,pvc,cronjobs,deployments,networkpolicies,poddisruptionbudgets", "--selector", f"perptape.io/spec={spec}"
        )
        return {f"{one['kind']}/{one['metadata']['name']}": one for one in listed["items"]}

    def scraped(self, where: str) -> dict[str, float]:
        """The metrics of `pods/NAME:PORT` or `services/NAME:PORT`: each sample's value by its name and labels, in their order."""
        text = self.cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{self.name}/{where}/proxy/metrics")
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        found = {}
        for sample in samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = float(sample.value)
        return found

    def venues(self, *arguments: str) -> Inside:
        """Starts the simulated venues."""
        self.apply(*workloads.venues(self.images.worker, *arguments))
        self.available("venues")
        return Inside(self.cluster, self.name, workloads.endpoints())

    def bucket(self, name: str = "tape") -> dict[str, Any]:
        """Starts an S3 server; gives the spec's `store.s3` for a new bucket on it, whose Secret is there."""
        key, secret = secrets.token_hex(8), secrets.token_hex(16)
        self.apply(*workloads.minio(self.images.minio, key, secret))
        self.available("minio")
        program = (
            "import sys, s3fs; s3fs.S3FileSystem(key=sys.argv[1], secret=sys.argv[2], endpoint_url='http://minio:9000').mkdir(sys.argv[3])"
        )
        self.ran(f"make-{name}", self.images.worker, "-c", program, key, secret, name, command=["python"])
        endpoint = f"http://minio.{self.name}.svc:9000"  # one server of a short name in two namespaces would be one store to the operator
        return {"bucket": name, "endpoint": endpoint, "region": "us-east-1", "credentials": {"secretName": "s3"}}

    def operator(self, *values: str, release: str = "perptape", within: int = 300, chart: Path = ROOT / "charts/perptape") -> None:
        """Installs the chart here, serving this namespace alone unless `values` (as for --set) say otherwise; returns when it is ready."""
        repository, tag = self.images.operator.rsplit(":", 1)
        worker, worker_tag = self.images.worker.rsplit(":", 1)
        given = [
            *("crds.install=false", f"operator.image.repository={repository}", f"operator.image.tag={tag}"),
            *(f"worker.image.repository={worker}", f"worker.image.tag={worker_tag}", *values),
        ]
        sets = [word for value in given for word in ("--set", value)]
        self.cluster.helm(
            *("upgrade", "--install", release, str(chart), "--namespace", self.name, *sets, "--wait", f"--timeout={within}s"),
            within=within + 30,
        )


def ending(job: dict[str, Any]) -> str | None:
    """How a Job ended, Complete or Failed; None while it runs. Pure."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((one["type"] for one in conditions if one["type"] in ("Complete", "Failed") and one["status"] == "True"), None)


def condition(status: dict[str, Any], type: str) -> dict[str, Any]:
    """One condition of a status; empty while it is not there. Pure."""
    return next((one for one in status.get("conditions") or [] if one["type"] == type), {})


def line(status: dict[str, Any], exchange: str, dataset: str) -> dict[str, Any]:
    """The entry of a venue's dataset; empty while it is not there. Pure."""
    return next((one for one in status.get("collections") or [] if (one["exchange"], one["dataset"]) == (exchange, dataset)), {})
