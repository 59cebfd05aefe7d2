"""What helm makes of the chart: whole objects against golden files, and what holds for all of them."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from perptape_operator.settings import Settings
from support.kube import CommandFailed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]  # helm comes with the cluster's tools
GOLDEN = Path(__file__).parent / "golden"
Objects = list[dict[str, Any]]
Rendered = Callable[[dict[str, Any]], Objects]

EVERYTHING = {
    "crds": {"install": False},
    "fullnameOverride": "tape",
    "watch": {"clusterWide": True},
    "serviceAccount": {"annotations": {"example.org/role": "collector"}},
    "operator": {
        "image": {"repository": "registry.example.org/operator", "digest": f"sha256:{'a' * 64}"},
        "imagePullSecrets": [{"name": "registry"}],
        "logLevel": "debug",
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "podLabels": {"team": "desk"},
        "podAnnotations": {"example.org/note": "kept"},
    },
    "worker": {
        "image": {"repository": "registry.example.org/worker", "tag": "1.2.3", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}, {"name": "mirror"}],
        "resources": {"requests": {"cpu": 1, "memory": "256Mi"}, "limits": {"cpu": 2}},
    },
    "budget": {"fraction": 0.5, "fallback": 0.1},
    "networkPolicy": {"scrapers": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]},
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}, "podMonitor": {"enabled": True}},
}
CASES: dict[str, dict[str, Any]] = {
    "default": {"crds": {"install": False}},
    "namespaces": {"crds": {"install": False}, "watch": {"namespaces": ["desk", "research"]}, "networkPolicy": {"enabled": False}},
    "everything": EVERYTHING,
}


def kinds(objects: Objects) -> list[str]:
    return [found["kind"] for found in objects]


def one(objects: Objects, kind: str) -> dict[str, Any]:
    (found,) = (candidate for candidate in objects if candidate["kind"] == kind)
    return found


@pytest.fixture
def identity(helm: Callable[..., str], chart: Path) -> Callable[..., str]:
    def of(release: str, namespace: str, values: dict[str, Any]) -> str:
        given = yaml.safe_dump(values)
        text = helm("template", release, str(chart), "--namespace", namespace, "--values", "-", given=given)
        return environment([document for document in yaml.safe_load_all(text) if document])["PERPTAPE_OPERATOR"]

    return of


def environment(objects: Objects) -> dict[str, str]:
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


@pytest.mark.parametrize("case", CASES)
def test_the_objects_are_the_golden_ones(rendered: Rendered, case: str) -> None:
    text = yaml.safe_dump_all(rendered(CASES[case]), sort_keys=False, width=140)
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / f"{case}.yaml").write_text(text)
    assert text == (GOLDEN / f"{case}.yaml").read_text(), "UPDATE_GOLDEN=1 writes the golden files anew"


def test_lint_finds_nothing(helm: Callable[..., str], chart: Path) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", str(chart))


def test_the_crd_is_installed_whole_and_kept_when_the_release_goes(rendered: Rendered, chart: Path) -> None:
    crd = one(rendered({}), "CustomResourceDefinition")
    assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert crd["metadata"].pop("labels")["app.kubernetes.io/instance"] == "one"
    assert crd == yaml.safe_load((chart / "files/collectionspec.yaml").read_text())


def test_a_second_release_leaves_the_crd_alone(rendered: Rendered) -> None:
    assert "CustomResourceDefinition" not in kinds(rendered({"crds": {"install": False}}))


def test_serving_one_namespace_needs_nothing_cluster_wide(rendered: Rendered) -> None:
    objects = rendered({"crds": {"install": False}})
    assert not [kind for kind in kinds(objects) if kind.startswith("Cluster")]
    assert {found["metadata"]["namespace"] for found in objects} == {"tape"}


@pytest.mark.parametrize("values", [{}, {"watch": {"clusterWide": True}}])
def test_no_role_reads_secrets_or_takes_everything(rendered: Rendered, values: dict[str, Any]) -> None:
    (role,) = (found for found in rendered(values) if found["kind"] in ("Role", "ClusterRole"))
    for rule in role["rules"]:
        assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert "secrets" not in rule["resources"]
        assert rule["resources"] != ["persistentvolumeclaims"] or "delete" not in rule["verbs"]


@pytest.mark.parametrize("case", CASES)
def test_all_pods_are_restricted(rendered: Rendered, case: str) -> None:
    objects = rendered(CASES[case])
    for pod in (one(objects, "Deployment")["spec"]["template"]["spec"], one(objects, "Pod")["spec"]):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_the_operator_reads_from_its_environment_what_the_values_say(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(rendered(EVERYTHING)).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.identity == "tape.tape"
    assert settings.namespaces == ()
    assert settings.namespace == "tape"
    assert settings.worker_image == "registry.example.org/worker:1.2.3"
    assert settings.worker_pull_policy == "Always"
    assert settings.worker_pull_secrets == ("registry", "mirror")
    assert settings.worker_resources == {"requests": {"cpu": "1", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "512Mi"}}
    assert settings.scrapers == EVERYTHING["networkPolicy"]["scrapers"]
    assert settings.budget_url == "http://tape.tape.svc:8080"
    assert (settings.budget_fraction, settings.budget_fallback) == (0.5, 0.1)
    assert settings.log_level == "debug"


def test_the_operators_labels_in_its_environment_are_those_of_its_pod(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers' NetworkPolicies admit it by them."""
    objects = rendered({})
    monkeypatch.setenv("PERPTAPE_POD_LABELS", environment(objects)["PERPTAPE_POD_LABELS"])
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert Settings().pod_labels.items() <= labels.items()
    assert one(objects, "Service")["spec"]["selector"] == Settings().pod_labels


def test_the_images_user_is_the_pods(rendered: Rendered) -> None:
    dockerfile = (Path(__file__).resolve().parents[2] / "Dockerfile").read_text()
    objects = rendered({})
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    users = set(re.findall(r"^USER (\d+):\d+$", dockerfile, re.MULTILINE))
    assert users == {str(pod["securityContext"]["runAsUser"])} == {environment(objects)["PERPTAPE_WORKER_USER"]}


def test_no_user_leaves_it_to_the_cluster(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = rendered({"runAsUser": None})
    for pod in (one(objects, "Deployment")["spec"]["template"]["spec"], one(objects, "Pod")["spec"]):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    monkeypatch.setenv("PERPTAPE_WORKER_USER", environment(objects)["PERPTAPE_WORKER_USER"])
    assert Settings().worker_user is None


@pytest.mark.parametrize("namespace", ["desk", "a" * 50, "a" * 54, "a" * 62, "a" * 63])
def test_every_release_has_an_identity_of_its_own(identity: Callable[..., str], namespace: str) -> None:
    found = [identity(release, namespace, {}) for release in ("perptape-desk-one", "perptape-desk-two")]
    assert len({*found}) == 2
    assert all(Settings(identity=name).identity == name for name in found)


def test_an_identity_can_be_given(identity: Callable[..., str]) -> None:
    assert identity("one", "tape", {"operator": {"identity": "earlier.perptape"}}) == "earlier.perptape"


def test_a_pod_monitor_that_no_policy_lets_through_is_said(helm: Callable[..., str], chart: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(chart, tmp_path / "perptape"))  # helm shows notes only where it installs: here they are an object
    (copy / "templates/NOTES.txt").rename(copy / "notes")
    (copy / "templates/notes.yaml").write_text('{notes: {{ tpl (.Files.Get "notes") . | toJson }}}')

    def notes(values: dict[str, Any]) -> str:
        shown = helm("template", "one", str(copy), "--show-only", "templates/notes.yaml", "--values", "-", given=yaml.safe_dump(values))
        return str(yaml.safe_load(shown)["notes"])

    monitored = {"metrics": {"podMonitor": {"enabled": True}}}
    assert "WARNING: metrics.podMonitor" in notes(monitored)
    assert "WARNING" not in notes(monitored | {"networkPolicy": EVERYTHING["networkPolicy"]})
    assert "WARNING" not in notes({})


def test_the_label_namespace_of_a_collection_is_its_own(rendered: Rendered) -> None:
    assert [one["honorLabels"] for one in one(rendered(EVERYTHING), "ServiceMonitor")["spec"]["endpoints"]] == [True]


def test_a_wrong_value_is_named(rendered: Rendered) -> None:
    with pytest.raises(CommandFailed, match="clusterwide"):
        rendered({"watch": {"clusterwide": True}})
