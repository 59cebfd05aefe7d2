"""Who owns which fields of an object, as the API server keeps it. Pure.

An object that is created and not applied is made in one request, which is refused where somebody else's is there. But the server notes
its fields as updated, and only what was applied is taken away when a later apply leaves it out.
"""

from typing import Any

from perptape_operator.kinds import Manifest, version_of


def applied(live: Manifest, manager: str) -> list[dict[str, Any]] | None:
    """The JSON patch by which what a manager created counts as applied by it; None where there is nothing to do."""
    kept = live["metadata"].get("managedFields") or []
    mine = [entry for entry in kept if entry.get("manager") == manager and not entry.get("subresource")]
    if [entry.get("operation") for entry in mine] != ["Update"]:
        return None
    entries = [{**entry, "operation": "Apply"} if entry is mine[0] else entry for entry in kept]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version_of(live)},  # refused if it was changed meanwhile
    ]
