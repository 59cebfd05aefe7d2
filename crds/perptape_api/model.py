"""What every block of the resource is made of: a frozen model, text of a known form, and rules said once for Python and for CEL."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule across fields: `holds` decides it here, `cel` in the API server, and both refuse with `says`."""

    says: str
    cel: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule on a change, which only the API server can see: in CEL over `oldSelf` and `self`."""

    says: str
    cel: str


class Model(BaseModel):
    """A block of the resource: frozen, without unknown fields, camelCase outside and snake_case inside."""

    model_config = ConfigDict(
        frozen=True,
        defer_build=True,  # one schema is built, of the whole document, and no other for each block (a job's start is measured)
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    transitions: ClassVar[tuple[Transition, ...]] = ()

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        broken = [rule.says for rule in self.rules if not rule.holds(self)]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        from perptape_api import docstrings

        found = handler(schema)
        told = docstrings.below_fields(cls, Model)
        for name, field in cls.model_fields.items():
            if name in told:
                handler.resolve_ref_schema(found)["properties"][field.alias]["description"] = told[name]
        both: tuple[Rule | Transition, ...] = (*cls.rules, *cls.transitions)
        said = [{"rule": rule.cel, "message": rule.says} for rule in both]
        if said:
            handler.resolve_ref_schema(found)[VALIDATIONS] = said
        return found


@dataclass(frozen=True, slots=True)
class Form:
    """Text of one form, printable: a pattern that Python, Go and JavaScript read alike, its greatest length, what is said of others."""

    pattern: str
    longest: int
    says: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^({self.pattern})$", "maxLength": self.longest}

    def check(self, text: str) -> str:
        if len(text) > self.longest:
            raise ValueError(f"has {len(text)} characters, at most {self.longest} are allowed; {self.says}")
        if re.fullmatch(self.pattern, text) is None or not text.isprintable():
            raise ValueError(f"{shown(text)} is not allowed: {self.says}")
        return text


@dataclass(frozen=True, slots=True)
class OneOf:
    """Text out of a closed list, which is named when another is given."""

    allowed: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        longest = max(len(value) for value in self.allowed)
        return {**handler(schema), "enum": list(self.allowed), "maxLength": longest}

    def check(self, text: str) -> str:
        if text not in self.allowed:
            raise ValueError(f"{shown(text)} is not one of {', '.join(self.allowed)}{nearest(text, self.allowed)}")
        return text


def nearest(text: str, allowed: tuple[str, ...]) -> str:
    """``; did you mean 'x'?`` when something allowed is near to `text`, else nothing."""
    from difflib import get_close_matches  # only an error needs it, and a job's start is measured in milliseconds

    lowered = {value.lower(): value for value in allowed}
    near = get_close_matches(text.lower()[:64], lowered, n=1)
    return f"; did you mean {lowered[near[0]]!r}?" if near else ""


def shown(value: object) -> str:
    """A value as it is quoted in a message: on one line, and short."""
    text = ascii(value) if not isinstance(value, str) or not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
