"""What the operator makes of the shipped examples in a real cluster is what stands in tests/golden/operator, as the API server writes it.

The golden files are of the namespace `trading` and of an operator in `ns`, and schedules and stores follow from these names.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import yaml

from support.namespace import ROOT, Namespace, condition

Manifest = dict[str, Any]
EXAMPLES = {"majors": "majors", "quickstart": "quickstart", "bucket": "s3", "liquidations": "replicas"}
"""The example of each spec's name."""
NO_PODS: Manifest = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "no-pods"}, "spec": {"hard": {"pods": "0"}}}
KEPT = ("name", "namespace", "labels")
OF_THE_CLUSTER = ("perptape.io/plan-hash", "perptape.io/first-run", "deployment.kubernetes.io/revision")
"""Annotations: hashes that also cover where the budget is, and what others write."""


def golden(example: str, worker: str, operator_labels: dict[str, str]) -> list[Manifest]:
    """The children in a golden file but for first Jobs, which are their CronJobs' and go once they have reported."""
    found = [one for one in yaml.safe_load_all((ROOT / f"tests/golden/operator/{example}.yaml").read_text()) if one["kind"] != "Job"]
    text = json.dumps(found).replace('"perptape-worker:dev"', json.dumps(worker))
    replaced: list[Manifest] = json.loads(text.replace('{"app": "operator"}', json.dumps(operator_labels)))
    return replaced


def as_written(namespace: Namespace, manifests: list[Manifest]) -> dict[str, Manifest]:
    """What the API server would make of them, its defaults included."""
    text = "\n---\n".join(json.dumps(one) for one in manifests)
    said = namespace.kubectl(
        "create", "--validate=ignore", "--dry-run=server", "--output", "jsonpath={@}{'\\n'}", "--filename", "-", given=text
    )
    made = [json.loads(printed) for printed in said.splitlines()]
    return {f"{one['kind']}/{one['metadata']['name']}": comparable(one) for one in made}


def comparable(child: Manifest) -> Manifest:
    """A child without what differs from cluster to cluster: UIDs and times, and where the budget is asked for. Pure."""
    found: Manifest = copy.deepcopy({name: child[name] for name in ("apiVersion", "kind", "spec", "data") if name in child})
    metadata = child["metadata"]
    found["metadata"] = {name: metadata[name] for name in KEPT}
    annotations = metadata.get("annotations") or {}
    found["metadata"]["annotations"] = {name: value for name, value in annotations.items() if name not in OF_THE_CLUSTER}
    owners = metadata.get("ownerReferences") or ()
    found["metadata"]["ownerReferences"] = [{name: value for name, value in owner.items() if name != "uid"} for owner in owners]
    found.get("data", {}).pop("wantedSince", None)
    template = found.get("spec", {}).get("jobTemplate", found).get("spec", {}).get("template")
    for container in template["spec"]["containers"] if template else ():
        container["env"] = [one for one in container["env"] if one["name"] != "PERPTAPE_BUDGET_URL"]
    return found


def test_the_children_of_the_examples_are_the_golden_ones(namespaces: Callable[..., Namespace]) -> None:
    trading, operators = namespaces("trading"), namespaces("ns")
    trading.apply(NO_PODS)  # the examples ask real exchanges, and the cluster has other work
    operators.operator("watch.namespaces={trading}", "worker.resources.requests.memory=160Mi")
    labels = operators.get("deployment", "perptape")["spec"]["selector"]["matchLabels"]
    for spec, example in EXAMPLES.items():
        expected = as_written(trading, golden(example, trading.images.worker, labels))
        trading.apply(yaml.safe_load((ROOT / f"examples/{example}.yaml").read_text()))
        trading.until_told(spec, lambda told: condition(told, "Ready"))
        children = {name: comparable(child) for name, child in trading.children(spec).items()}
        assert children.keys() == expected.keys()
        for name, child in children.items():
            assert child == expected[name], name
