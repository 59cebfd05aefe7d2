"""What the reconciler remembers of each spec between two times. State, and nothing else."""

from dataclasses import dataclass, field

from perptape_api.status import Status
from perptape_operator.cache import SpecKey
from perptape_operator.checks import Due
from perptape_operator.plan import Ref
from perptape_operator.undeclared import Field


@dataclass(slots=True)
class Memory:
    """What is remembered between two times; nothing of it is needed to be right after a restart."""

    waiting_since: dict[SpecKey, dict[str, int]] = field(default_factory=dict)
    """When an object that is to go was first seen, by its UID."""
    looked_at: dict[SpecKey, int] = field(default_factory=dict)
    """When a spec was last brought to what it wants, in ms, and nothing stood in the way."""
    told_at: dict[SpecKey, int] = field(default_factory=dict)
    contested_at: dict[SpecKey, int] = field(default_factory=dict)
    """When it was last told of a spec that it belongs to another operator."""
    due: dict[SpecKey, dict[tuple[str, str], Due]] = field(default_factory=dict)
    written: dict[SpecKey, dict[Ref, int]] = field(default_factory=dict)
    """When an object was last changed by a write, in ms."""
    answered: dict[SpecKey, dict[Ref, str]] = field(default_factory=dict)
    """Fingerprints of what the API server made of objects that it does not keep as they were written."""
    met: dict[SpecKey, frozenset[Ref]] = field(default_factory=dict)
    """Wanted names under which there was something that no list had shown: it is read before anything is written."""
    troubled_since: dict[SpecKey, int] = field(default_factory=dict)
    """When requests for a spec began to fail."""
    unlisted: dict[str, str] = field(default_factory=dict)
    """Namespace (empty: every one) -> what may not be listed there, as the API server says it."""

    undeclared: dict[SpecKey, frozenset[Field]] = field(default_factory=dict)
    """Fields of a spec's status that the definition in the cluster does not declare, as far as it was asked since the last resync."""
    whole: dict[SpecKey, Status] = field(default_factory=dict)
    """The status that was written without them, with them: they are counted on from there."""

    counted: dict[SpecKey, frozenset[str]] = field(default_factory=dict)
    """Pods whose reports' rows are in the status that was last written."""

    def forget(self, key: SpecKey) -> None:
        since = (self.waiting_since, self.looked_at, self.told_at, self.contested_at, self.troubled_since)
        for kept in (*since, self.due, self.written, self.answered, self.met, self.undeclared, self.whole, self.counted):
            kept.pop(key, None)
