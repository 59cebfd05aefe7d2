"""StoreReady: whether the workers can use the store, and whether it is kept in order. Pure."""

from typing import Final

from perptape_operator.checks import UNJUDGED, Check, Facts, joined
from perptape_operator.reasons import STORE_TROUBLE
from perptape_operator.verdicts import works


def _store(facts: Facts) -> str | None:
    return joined({line.message or line.reason or "": None for line in facts.lines if line.reason in STORE_TROUBLE})


def _unstarted(facts: Facts) -> str | None:
    tried = any(works(line) or line.last_success for line in facts.lines)
    return None if tried else "no run has used the store yet"


STORE_CONFLICTS: Final = (
    Check(
        "False",
        "NestedStore",
        "The store lies inside another spec's store, or around it; the elder spec goes on.",
        "make a new spec with another prefix",
        lambda f: f.nested_in or None,
    ),
    Check(
        "False",
        "FormatConflict",
        "The store is kept in another format by an elder spec.",
        "make a new spec with the store's format, or with another store",
        lambda f: f.format_conflict or None,
    ),
    Check(
        "False",
        "ClaimMissing",
        "The volume claim that the spec names is not there.",
        "make it, or make a new spec that names another",
        lambda f: f.claim_missing or None,
    ),
    Check(
        "False",
        "ClaimTerminating",
        "The volume claim is being deleted: it is held only by pods that still run, and takes no new one.",
        "save the tape at once: set its volume's reclaim policy to Retain, or copy it out of a pod that runs; nothing keeps the claim",
        lambda f: f.claim_going or None,
    ),
)
"""What keeps a spec from its store before any worker has tried: the chain of Ready has them too."""

STORE_READY: Final = (
    UNJUDGED,
    *STORE_CONFLICTS,
    Check(
        "False",
        "ClaimLost",
        "The claim's volume is gone.",
        "restore the volume from a backup under the claim's name",
        lambda f: f.claim_lost or None,
    ),
    Check("False", "StoreUnusable", "Workers cannot use the store.", "do what the message says", _store),
    Check(
        "False",
        "PublisherFailing",
        "What was collected is not folded into data files, or something damaged was met; the library reads all else.",
        "see `kubectl logs` of the publisher's pod",
        lambda f: f.publisher or None,
    ),
    Check(
        "False",
        "PublisherLate",
        "The publisher is not started.",
        "look at the events of its CronJob; the library reads what was collected meanwhile",
        lambda f: f.publisher_late or None,
    ),
    Check(
        "False",
        "VerifyFailed",
        "The last check of the whole store found damage or missing rows, could not ask a venue, or did not end.",
        "see `kubectl logs` of the verify pod; the next runs fetch again what the venue still gives",
        lambda f: f.damage or None,
    ),
    Check(
        "Unknown",
        "ClaimPending",
        "The claim is not bound to a volume yet.",
        "nothing while the first pod is being placed; else see the claim's events",
        lambda f: f.claim_pending or None,
    ),
    Check("Unknown", "NotYetUsed", "No run has used the store yet.", "wait for the first run", _unstarted),
    Check("True", "Usable", "Workers read and write the store.", "nothing", lambda f: f.checked),
)
