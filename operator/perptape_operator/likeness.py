"""Whether a live object still holds what was planned, as the API server writes it: defaults added, quantities normalised. Pure."""

import re
from decimal import Decimal
from typing import Any, Final

QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|Ki|Mi|Gi|Ti|Pi|M|G|T|P)?")
SUFFIX: Final = {"m": Decimal("0.001"), None: Decimal(1), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9)} | {
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
}
KEYS: Final = ("name", "uid", "mountPath", "containerPort")
"""By which of its fields an item of a list is found again; lists without one are compared as a whole."""
AMOUNTS: Final = ("requests", "limits")


def quantity(text: str) -> Decimal | None:
    """The number that a quantity like 100m or 1Gi means; None where it is none."""
    found = QUANTITY.fullmatch(text)
    return None if found is None else Decimal(found[1]) * SUFFIX[found[2]]


def contained(planned: Any, live: Any, *, amounts: bool = False) -> bool:
    """Whether everything planned is in the live value. What is planned empty may be absent."""
    if isinstance(planned, dict):
        if not isinstance(live, dict):
            return not planned and live is None
        return all(contained(value, live.get(key), amounts=amounts or key in AMOUNTS) for key, value in planned.items())
    if isinstance(planned, list):
        return _list_contained(planned, live or [])
    if amounts and isinstance(planned, str) and isinstance(live, str):
        return quantity(planned) == quantity(live)
    return bool(planned == live) or (live is None and planned in (False, ""))


def _list_contained(planned: list[Any], live: Any) -> bool:
    if not isinstance(live, list):
        return False
    key = next((key for key in KEYS if planned and all(isinstance(item, dict) and key in item for item in planned)), None)
    if key is None:
        return len(planned) == len(live) and all(contained(one, other) for one, other in zip(planned, live, strict=True))
    by_key = {item.get(key): item for item in live if isinstance(item, dict)}
    return all(contained(item, by_key.get(item[key])) for item in planned)
