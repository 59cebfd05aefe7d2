"""Ready and Collecting: whether what is asked for is being collected, and what keeps it from that. Pure."""

from typing import Final

from perptape_operator.checks import UNJUDGED, Check, degraded, failing, joined, nothing, pending, suspended
from perptape_operator.store_ready import STORE_CONFLICTS

READY: Final = (
    Check(
        "False",
        "InvalidSpec",
        "The spec cannot be carried out as it stands; nothing of it was changed.",
        "correct the spec; the message names each field",
        lambda f: joined(f.faults),
    ),
    Check(
        "False",
        "OtherOperator",
        "Children of this spec belong to another operator (label `perptape.io/operator`).",
        "let one operator serve this namespace; to move a spec, put this operator's name into that label of its children",
        lambda f: joined(f.other_operator),
    ),
    Check(
        "False",
        "NameTaken",
        "Somebody else's object has a child's name; it is left as it is.",
        "rename the spec, or remove the object named",
        lambda f: joined(f.name_taken),
    ),
    Check(
        "False",
        "Forbidden",
        "The operator lacks a permission.",
        "grant the rule that the message names (upgrade the chart, or set `rbac.create`), then restart the operator",
        lambda f: f.forbidden or None,
    ),
    *STORE_CONFLICTS,
    Check(
        "False",
        "Refused",
        "The API server refuses a child.",
        "read the message: a quota or a policy of the cluster is the usual cause",
        lambda f: f.refused or None,
    ),
    Check(
        "False",
        "Waiting",
        "Objects of this spec's names are still going: they are being deleted, or are an earlier spec's.",
        "nothing: an earlier spec's go within a minute, or are adopted; of one that stays see its `metadata.finalizers`",
        lambda f: joined(f.waiting),
    ),
    Check("False", "Suspended", "Nothing is collected, as asked.", "set `spec.suspend` to false", suspended),
    Check("False", "NotOffered", "No venue offers what is asked for.", "ask other venues or datasets", nothing),
    Check("False", "Failing", "No collection works.", "see `status.collections`: each says why", failing),
    Check(
        "True",
        "Degraded",
        "At least one collection works, and at least one does not.",
        "see `status.collections`: each says why",
        degraded,
    ),
    Check("False", "Starting", "Nothing has reported yet.", "wait for the first run", pending),
    Check("True", "Collecting", "All that is asked for is being collected.", "nothing", lambda f: "every collection works"),
)

COLLECTING: Final = (
    UNJUDGED,
    Check("False", "Suspended", "Nothing is collected, as asked.", "set `spec.suspend` to false", suspended),
    Check("False", "NotOffered", "No venue offers what is asked for.", "ask other venues or datasets", nothing),
    Check("False", "Failing", "No collection works.", "see `status.collections`: each says why", failing),
    Check("Unknown", "Starting", "Nothing has reported yet.", "wait for the first run", pending),
    Check("True", "Collecting", "At least one collection works.", "nothing", lambda f: ""),
)
