"""Which spec keeps its tape where: two may share a store, but not in two formats, nor one inside another's. The elder stays. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from perptape_operator.cache import SpecKey


@dataclass(frozen=True, slots=True)
class Keeping:
    """A spec's store. `born`: by what the elder of two is known."""

    store: str
    format: str
    born: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a spec may not use its store."""

    kind: Literal["nested", "format"]
    message: str


@dataclass(slots=True)
class Stores:
    """Every spec's store. `put` and `drop` return the other specs that are refused, or refused no more, because of it."""

    _kept: dict[SpecKey, Keeping] = field(default_factory=dict)
    _by_place: dict[str, set[SpecKey]] = field(default_factory=dict)
    """By claim, or by server and bucket: only within one can stores meet."""
    _refused: dict[str, dict[SpecKey, Conflict]] = field(default_factory=dict)

    def put(self, key: SpecKey, keeping: Keeping) -> set[SpecKey]:
        if self._kept.get(key) == keeping:
            return set()
        affected = self.drop(key)
        place = _place(keeping.store)
        self._kept[key] = keeping
        self._by_place.setdefault(place, set()).add(key)
        return (affected ^ self._judged(place)) - {key}

    def drop(self, key: SpecKey) -> set[SpecKey]:
        keeping = self._kept.pop(key, None)
        if keeping is None:
            return set()
        place = _place(keeping.store)
        self._by_place[place].discard(key)
        affected = self._judged(place)
        if not self._by_place[place]:
            del self._by_place[place], self._refused[place]
        return affected - {key}

    def conflict(self, key: SpecKey) -> Conflict | None:
        """What an elder spec's store has against this one's."""
        return self._refused[_place(self._kept[key].store)].get(key)

    def _judged(self, place: str) -> set[SpecKey]:
        """Judges a place anew, the eldest first; one that is refused stands in nobody's way. Returns whose standing changed."""
        before = self._refused.get(place, {})
        stores: dict[str, SpecKey] = {}
        around: dict[str, SpecKey] = {}
        refused: dict[SpecKey, Conflict] = {}
        for key in sorted(self._by_place[place], key=lambda one: (self._kept[one].born, one)):
            mine = self._kept[key]
            conflict = self._against(mine, stores, around)
            if conflict is not None:
                refused[key] = conflict
            elif mine.store not in stores:
                stores[mine.store] = key
                around |= dict.fromkeys(_outer(mine.store), key)
        self._refused[place] = refused
        return {key for key in before.keys() | refused.keys() if before.get(key) != refused.get(key)}

    def _against(self, mine: Keeping, stores: Mapping[str, SpecKey], around: Mapping[str, SpecKey]) -> Conflict | None:
        if mine.store in stores:
            elder = stores[mine.store]
            has = self._kept[elder].format
            told = f"the store is kept as {has} by {_shown(elder)}, and this spec asks for {mine.format}"
            return None if has == mine.format else Conflict("format", told)
        if mine.store in around:
            elder = around[mine.store]
            return Conflict("nested", f"the store {self._kept[elder].store} of {_shown(elder)} lies inside this spec's {mine.store}")
        outer = next((one for one in _outer(mine.store) if one in stores), None)
        if outer is None:
            return None
        return Conflict("nested", f"the store {mine.store} lies inside {outer}, the store of {_shown(stores[outer])}")


def _outer(store: str) -> list[str]:
    """The folders of a bucket that a store lies in; a claim has none."""
    parts = store.split("/")
    return ["/".join(parts[:length]) for length in range(3, len(parts))] if parts[0] == "s3" else []


def _shown(key: SpecKey) -> str:
    return f"{key.namespace}/{key.name}"


def _place(store: str) -> str:
    return "/".join(store.split("/")[:3])
