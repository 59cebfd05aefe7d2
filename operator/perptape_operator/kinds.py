"""The kinds of objects that the operator reads and writes, and where the API server keeps them. Pure."""

from dataclasses import dataclass
from typing import Any, Final

from perptape_api.names import API_VERSION, KIND, PLURAL

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object."""

    api_version: str
    name: str
    plural: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Where the API server keeps objects of this kind; of every namespace when none is given."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        parts = [root, f"namespaces/{namespace}" if namespace else "", self.plural, name, subresource]
        return "/".join(part for part in parts if part)


COLLECTION: Final = Kind(API_VERSION, KIND, PLURAL)
CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps")
CLAIM: Final = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
POD: Final = Kind("v1", "Pod", "pods")
CRON_JOB: Final = Kind("batch/v1", "CronJob", "cronjobs")
JOB: Final = Kind("batch/v1", "Job", "jobs")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
NETWORK_POLICY: Final = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
DISRUPTION_BUDGET: Final = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")

CHILDREN: Final = (CONFIG_MAP, CLAIM, CRON_JOB, JOB, DEPLOYMENT, NETWORK_POLICY, DISRUPTION_BUDGET, POD)
"""Everything watched beside the specs."""

BY_NAME: Final = {kind.name: kind for kind in (COLLECTION, *CHILDREN)}


def kind_of(manifest: Manifest) -> Kind:
    return BY_NAME[manifest["kind"]]


def name_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def uid_of(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("uid", ""))


def version_of(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("resourceVersion", ""))


def labels_of(manifest: Manifest) -> dict[str, str]:
    return dict(manifest["metadata"].get("labels") or {})


def annotations_of(manifest: Manifest) -> dict[str, str]:
    return dict(manifest["metadata"].get("annotations") or {})


def conditions_of(manifest: Manifest) -> list[dict[str, Any]]:
    return (manifest.get("status") or {}).get("conditions") or []


def ended(pod: Manifest) -> bool:
    """Whether a pod will not run again. One of a Deployment is kept so when it was evicted, until the cluster clears it away."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def controller_uid(manifest: Manifest) -> str | None:
    """The UID of the object's controller; None where it has none."""
    owners = manifest["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)
