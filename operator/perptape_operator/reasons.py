"""Why a collection stands as it does, in one word: every reason of `status.collections`, what it means and what to do. Pure."""

from typing import Final, Literal, NamedTuple, cast, get_args

Reason = Literal[
    "Collecting",
    "CatchingUp",
    "NotYetRun",
    "Progressing",
    "Running",
    "NotAnswered",
    "Waiting",
    "SomeFailed",
    "ReplicaMissing",
    "RolloutStuck",
    "Restarted",
    "NothingObtained",
    "RunFailed",
    "ConfigurationRefused",
    "NotReady",
    "OOMKilled",
    "ImagePull",
    "PodConfiguration",
    "PodsRefused",
    "PodFailed",
    "JobFailed",
    "Unschedulable",
    "ClaimMissing",
    "MissedRuns",
    "Blocked",
    "StoreUnusable",
    "StoreFull",
    "StoreCredentials",
    "StoreMissing",
    "StoreConflict",
    "Suspended",
    "NotOffered",
]


class Sighting(NamedTuple):
    """What is seen where there is no report: mostly trouble."""

    reason: Reason
    message: str


class Entry(NamedTuple):
    """What the documentation says of a reason."""

    means: str
    do: str


REASONS: Final[dict[Reason, Entry]] = {
    "Collecting": Entry("It works.", "nothing"),
    "CatchingUp": Entry("It works, and windows of the past remain to be fetched.", "nothing: each run goes on where the last one stopped"),
    "NotYetRun": Entry("No run, and no pod that stays, has reported yet.", "wait for the first one"),
    "Progressing": Entry("A pod is being placed, for less than two minutes so far; its volume may still be made.", "nothing"),
    "Running": Entry("The first run is under way, and says how it went at its end.", "wait for its end"),
    "NotAnswered": Entry(
        "A run is under way, and the venue has refused or failed every call of the last 20 seconds.",
        "read the message; the run goes on trying until its time is over, and the next one asks again",
    ),
    "Waiting": Entry("What kept it from working has passed, and nothing has run since.", "wait for the next run"),
    "SomeFailed": Entry("Some instruments or windows could not be obtained.", "read the message; the next run asks again"),
    "ReplicaMissing": Entry("Fewer pods are ready than asked for; those that are go on.", "see `kubectl describe` of the pod named"),
    "RolloutStuck": Entry(
        "New pods have run for a day and do not get ready; those before them go on.",
        "see `kubectl logs` of the newest pod",
    ),
    "Restarted": Entry("A pod that works was killed for want of memory minutes ago.", "raise `spec.worker.resources.limits.memory`"),
    "NothingObtained": Entry("The venue gave nothing that was asked for.", "read the message: the venue is away, refuses, or bans"),
    "RunFailed": Entry("A run ended without a word about this collection.", "see `kubectl logs` of its pod"),
    "ConfigurationRefused": Entry("The worker cannot do what the spec says (exit 2).", "correct what the message names"),
    "NotReady": Entry(
        "No pod is ready: subscribed, heard from, and able to write.", "see `kubectl describe` and `kubectl logs` of its pods"
    ),
    "OOMKilled": Entry("A pod needed more memory than its limit.", "raise `spec.worker.resources.limits.memory`"),
    "ImagePull": Entry(
        "The worker's image cannot be fetched.", "correct `worker.image` of the chart, or give `spec.worker.imagePullSecrets`"
    ),
    "PodConfiguration": Entry("The kubelet cannot start a pod.", "read the message: an object that it mounts is missing"),
    "PodsRefused": Entry("The cluster refuses to make a pod.", "read the message: a quota or a policy of the namespace"),
    "PodFailed": Entry("A pod ended without a report.", "see `kubectl logs` of the pod named"),
    "JobFailed": Entry("A Job failed, and no pod of it is left to ask.", "read the message; at a deadline: see whether the venue is slow"),
    "Unschedulable": Entry("No node takes a pod.", "read the message: room, node selectors, taints, or the volume's node"),
    "ClaimMissing": Entry("The volume claim that a pod mounts is not there.", "make it"),
    "MissedRuns": Entry(
        "Kubernetes has started no run for more than two intervals.", "see the CronJob's events, and whether an older Job still runs"
    ),
    "Blocked": Entry("The spec's store conflicts with an elder spec's.", "see the condition StoreReady"),
    "StoreUnusable": Entry("The worker cannot use the store.", "do what the message says"),
    "StoreFull": Entry("The store has no room.", "make the volume larger (`store.persistentVolumeClaim.size`), or free some"),
    "StoreCredentials": Entry(
        "The store refuses the keys, or there are none.", "correct the Secret that the message names; pods read it again"
    ),
    "StoreMissing": Entry("The bucket or folder is not there.", "make the bucket, or make a new spec that names another"),
    "StoreConflict": Entry("The store is kept in another format, or holds simulated data.", "make a new spec with another store"),
    "Suspended": Entry("Nothing is collected, as asked.", "set `spec.suspend` to false"),
    "NotOffered": Entry("The venue does not give this at all.", "nothing; or ask another venue"),
}

FROM_SIGHT: Final[tuple[Reason, ...]] = (
    "Progressing",
    "Running",
    "NotAnswered",
    "ImagePull",
    "PodConfiguration",
    "PodsRefused",
    "RolloutStuck",
    "OOMKilled",
    "PodFailed",
    "JobFailed",
    "Unschedulable",
    "ClaimMissing",
    "MissedRuns",
    "Suspended",
    "Blocked",
)
"""What goes with what was seen; what a report said stays until the next report."""

STORE_TROUBLE: Final[tuple[Reason, ...]] = (
    "StoreUnusable",
    "StoreFull",
    "StoreCredentials",
    "StoreMissing",
    "StoreConflict",
    "ClaimMissing",
)
"""What is about the store and not about a venue."""


def known(said: str | None) -> Reason | None:
    """The reason of this name; None for what another version of the operator, or a worker, calls otherwise."""
    return cast(Reason, said) if said in get_args(Reason) else None


def of_store(said: str) -> Reason:
    """The reason for what a worker says of its store."""
    if said in ("FormatConflict", "OriginConflict"):
        return "StoreConflict"
    found = known(said)
    return found if found in STORE_TROUBLE and found is not None else "StoreUnusable"
