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
class Place:
    """A claim, or a server's bucket: only within one can stores meet. What was judged of the specs there, the eldest first."""

    keys: set[SpecKey] = field(default_factory=set)
    stores: dict[str, SpecKey] = field(default_factory=dict)
    around: dict[str, SpecKey] = field(default_factory=dict)
    refused: dict[SpecKey, Conflict] = field(default_factory=dict)
    youngest: tuple[str, SpecKey] | None = None
    """The last that was judged; None where one that was not refused is gone since."""


@dataclass(slots=True)
class Stores:
    """Every spec's store. `put` and `drop` return the other specs that are refused, or refused no more, because of it.

    Thousands of specs may keep their stores in one bucket: a new one is judged by itself, and none when one goes where nobody is refused.
    """

    _kept: dict[SpecKey, Keeping] = field(default_factory=dict)
    _places: dict[str, Place] = field(default_factory=dict)

    def put_all(self, many: Mapping[SpecKey, Keeping]) -> None:
        """Those that are there when nothing is known yet."""
        for key, keeping in sorted(many.items(), key=lambda one: (one[1].born, one[0])):
            self.put(key, keeping)

    def put(self, key: SpecKey, keeping: Keeping) -> set[SpecKey]:
        if self._kept.get(key) == keeping:
            return set()
        places = {_place(one.store) for one in (self._kept.get(key), keeping) if one is not None}
        before = {one: why for name in places & self._places.keys() for one, why in self._places[name].refused.items()}
        touched = self.drop(key)
        place = self._places.setdefault(_place(keeping.store), Place())
        self._kept[key] = keeping
        place.keys.add(key)
        if place.youngest is None or (keeping.born, key) < place.youngest:
            touched |= self._judged(place)
        else:
            self._judge(place, key)
        return {one for one in touched - {key} if before.get(one) != self.conflict(one)}

    def drop(self, key: SpecKey) -> set[SpecKey]:
        keeping = self._kept.pop(key, None)
        if keeping is None:
            return set()
        place = self._places[_place(keeping.store)]
        place.keys.discard(key)
        if not place.keys:
            del self._places[_place(keeping.store)]
            return set()
        if place.refused.pop(key, None) is not None:
            return set()  # it stood in nobody's way
        if place.refused:
            return self._judged(place)
        place.youngest = None
        return set()

    def conflict(self, key: SpecKey) -> Conflict | None:
        """What an elder spec's store has against this one's."""
        return self._places[_place(self._kept[key].store)].refused.get(key)

    def _judged(self, place: Place) -> set[SpecKey]:
        """Judges a place anew, the eldest first. Returns whose standing changed."""
        before = place.refused
        place.stores, place.around, place.refused = {}, {}, {}
        for key in sorted(place.keys, key=lambda one: (self._kept[one].born, one)):
            self._judge(place, key)
        return {key for key in before.keys() | place.refused.keys() if before.get(key) != place.refused.get(key)}

    def _judge(self, place: Place, key: SpecKey) -> None:
        """The next one; one that is refused stands in nobody's way."""
        mine = self._kept[key]
        place.youngest = (mine.born, key)
        conflict = self._against(mine, place.stores, place.around)
        if conflict is not None:
            place.refused[key] = conflict
        elif mine.store not in place.stores:
            place.stores[mine.store] = key
            place.around |= dict.fromkeys(_outer(mine.store), key)

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
