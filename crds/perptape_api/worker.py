"""What the operator puts on the pods it makes; a laptop ignores it. Pure."""

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, StrictInt, WithJsonSchema

from perptape_api.model import Form, Model, Rule
from perptape_api.venues import ObjectName

MAP_BY_NAME: Final = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
AMOUNT: Final = r"[0-9]{1,15}(\.[0-9]{1,3})?(m|Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?"


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else value


Amount = Annotated[
    str,
    Form(AMOUNT, 20, "write a quantity, as in 250m, 2 or 512Mi"),
    BeforeValidator(_as_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": f"^({AMOUNT})$",
            "maxLength": 20,
        }
    ),
]
LABEL: Final = "([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)"
LabelKey = Annotated[str, Form(rf"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{LABEL}", 317, "write a label's key, as in kubernetes.io/arch")]
LabelValue = Annotated[str, Form(f"{LABEL}?", 63, "write a label's value: at most 63 letters, digits, '-', '_' and '.'")]
Amounts = Annotated[dict[LabelKey, Amount], Field(max_length=16)]


class Resources(Model):
    """Resources of each worker's container."""

    requests: Amounts | None = None
    """What is reserved, as in cpu: 100m and memory: 160Mi."""
    limits: Amounts | None = None
    """What is never exceeded."""


class Toleration(Model):
    """A taint that worker pods tolerate, as in a pod."""

    key: LabelKey | None = None
    """The taint's key; every key when left out, and then operator is Exists."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """How key and value are compared."""
    value: LabelValue | None = None
    """The taint's value, for Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The effect tolerated; every effect when left out."""
    toleration_seconds: Annotated[StrictInt, Field(ge=0, le=2**31)] | None = None
    """How long a NoExecute taint is tolerated; for ever when left out."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "operator Exists takes no value: remove value",
            "self.operator != 'Exists' || !has(self.value)",
            lambda t: t.operator != "Exists" or t.value is None,
        ),
        Rule(
            "without a key the operator must be Exists",
            "has(self.key) || self.operator == 'Exists'",
            lambda t: t.key is not None or t.operator == "Exists",
        ),
        Rule(
            "tolerationSeconds needs effect NoExecute",
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            lambda t: t.toleration_seconds is None or t.effect == "NoExecute",
        ),
    )


class PullSecret(Model):
    """A Secret for the image's registry."""

    name: ObjectName
    """The name of a Secret in the same namespace."""


class Worker(Model):
    """What the operator puts on the pods it makes."""

    resources: Resources | None = None
    """Resources of each worker's container; the chart's when left out."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = None
    """Labels that a node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] | None = None
    """Taints that the pods tolerate."""
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=16, json_schema_extra=MAP_BY_NAME)] | None = None
    """Secrets for the image's registry."""
