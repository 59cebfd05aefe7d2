"""The CustomResourceDefinition, out of the models: a structural schema with the rules in CEL. Pure."""

from typing import Final

from perptape_api import names
from perptape_api.model import Model
from perptape_api.resource import CollectionSpec
from perptape_api.schema import Schema, flattened
from perptape_api.status import Status

UNSAYABLE: Final = {"additionalProperties", "patternProperties", "propertyNames"}
LONGEST_DEFAULT: Final = 253

COLUMNS: Final = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0, "Whether the collection works."),
    ("Venues", "string", ".status.summary.venues", 0, "Venues at which everything asked for works, of all."),
    ("Lag", "date", ".status.summary.watermark", 0, "How old the end of the complete part of the tape is."),
    ("Gaps", "integer", ".status.summary.gaps.open", 0, "Holes that can still be filled."),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Since when the spec is there."),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 1, "Why it is ready or not."),
    ("Complete", "string", '.status.conditions[?(@.type=="Complete")].status', 1, "Whether everything wanted is on the tape."),
    ("Lost", "integer", ".status.summary.gaps.lost", 1, "Holes that can never be filled."),
    ("Unproven", "integer", ".status.summary.gaps.unproven", 1, "Stretches of streams of which nobody can prove that nothing was missed."),
    ("Suspended", "boolean", ".spec.suspend", 1, "Whether collecting is suspended."),
)


def collection_crd() -> Schema:
    """The whole CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def _column(name: str, type_: str, path: str, priority: int, says: str) -> Schema:
    return {"name": name, "type": type_, "jsonPath": path, "description": says} | ({"priority": priority} if priority else {})


def _root() -> Schema:
    return {
        "type": "object",
        "description": "What to collect of the crypto-derivatives market, from which venues, and where to keep it.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"The version of this document's form: {names.API_VERSION}."},
            "kind": {"type": "string", "description": f"What this document is: {names.KIND}."},
            "metadata": {"type": "object"},
            "spec": structural(CollectionSpec),
            "status": _without_defaults(structural(Status)),
        },
        "x-kubernetes-validations": [
            {
                "rule": f"size(self.metadata.name) <= {names.LONGEST_NAME}",
                "message": f"the name must have at most {names.LONGEST_NAME} characters: it is a label's value on everything the spec owns",
            }
        ],
    }


def structural(model: type[Model]) -> Schema:
    """A model as a structural schema: without references and nulls, with bounds everywhere."""
    return _structural(flattened(model))


def _structural(schema: Schema) -> Schema:
    found = {key: value for key, value in schema.items() if key not in UNSAYABLE}
    for name in ("properties", "items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            inner = schema[name]
            found[name] = {key: _structural(value) for key, value in inner.items()} if name == "properties" else _structural(inner)
    if "patternProperties" in schema:  # what a key must be stays with the model
        found["additionalProperties"] = _structural(next(iter(schema["patternProperties"].values())))
    if found.get("type") == "string" and "maxLength" not in found:
        found["maxLength"] = max((len(value) for value in found.get("enum", ())), default=LONGEST_DEFAULT)
    return found


def _without_defaults(schema: Schema) -> Schema:
    """A status says what its writer wrote; the API server must add nothing to it."""
    return {
        key: {name: _without_defaults(inner) for name, inner in value.items()}
        if key == "properties"
        else _without_defaults(value)
        if key == "items"
        else value
        for key, value in schema.items()
        if key != "default"
    }
