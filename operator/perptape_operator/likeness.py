"""Whether a live object still holds what was planned, as the API server writes it: defaults added, quantities normalised. Pure."""

import hashlib
import json
import re
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

QUANTITY: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?")
MILLI: Final = Decimal("0.001")
SUFFIX: Final = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": MILLI, "k": Decimal(10**3)} | {
    unit: Decimal(1000 ** (power + 2)) for power, unit in enumerate("MGTPE")
}
BINARY: Final = {f"{unit}i": Decimal(1024 ** (power + 1)) for power, unit in enumerate("KMGTPE")}
KEYS: Final = ("name", "uid", "mountPath", "containerPort")
"""By which of its fields an item of a list is found again; lists without one are compared as a whole."""
AMOUNTS: Final = ("requests", "limits")
UNTOLD: Final = ("resourceVersion", "managedFields", "generation")
"""Of an object's metadata what changes with every write."""


def quantity(text: str) -> Decimal | None:
    """The number that a quantity like 100m, 1Gi or 1e3 means, in whole thousandths, up to which the API server rounds; None where it is
    none."""
    found = QUANTITY.fullmatch(text)
    if found is None:
        return None
    number = Decimal(found[1]) * (SUFFIX | BINARY).get(found[2], Decimal(1)) * Decimal(10) ** int(found[3] or 0)
    return (number / MILLI).to_integral_value(ROUND_CEILING) * MILLI


def fingerprint(live: dict[str, Any]) -> str:
    """What an object is but for its status, in short."""
    metadata = {key: value for key, value in live["metadata"].items() if key not in UNTOLD}
    told = {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def contained(planned: Any, live: Any, *, amounts: bool = False) -> bool:
    """Whether everything planned is in the live value. What is planned empty may be absent."""
    if planned == live:  # most parts are, and this is quick
        return True
    if isinstance(planned, dict):
        if not isinstance(live, dict):
            return not planned and live is None
        return all(contained(value, live.get(key), amounts=amounts or key in AMOUNTS) for key, value in planned.items())
    if isinstance(planned, list):
        return _list_contained(planned, live or [])
    if amounts and isinstance(planned, str) and isinstance(live, str):
        number = quantity(planned)
        return number is not None and number == quantity(live)
    return live is None and planned in (False, "")


def _list_contained(planned: list[Any], live: Any) -> bool:
    if not isinstance(live, list):
        return False
    key = next((key for key in KEYS if planned and all(isinstance(item, dict) and key in item for item in planned)), None)
    if key is None:
        return len(planned) == len(live) and all(contained(one, other) for one, other in zip(planned, live, strict=True))
    by_key = {item.get(key): item for item in live if isinstance(item, dict)}
    return all(contained(item, by_key.get(item[key])) for item in planned)
