"""Durations as users write them, ``5m`` or ``30d``: text that knows its length. Pure."""

import re
from typing import Any, Final, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from perptape_api.model import OneOf, shown

UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
PATTERN: Final = "(0|[1-9][0-9]{0,6})m|(0|[1-9][0-9]{0,4})h|(0|[1-9][0-9]{0,3})d"  # each unit up to about 20 years
LONGEST: Final = 8

EVERY: Final = tuple("1m 2m 3m 4m 5m 6m 10m 12m 15m 20m 30m 1h 2h 3h 4h 6h 8h 12h 1d".split())
"""What cron can say evenly."""


class Duration(str):
    """A length of time, written as a whole number and one of the units m, h, d."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if re.fullmatch(PATTERN, text) is None:
            raise ValueError(f"{shown(text)} is not a duration: write a whole number and one of m, h, d, as in 5m, 12h or 30d")
        return super().__new__(cls, text)

    @property
    def ms(self) -> int:
        """The length in milliseconds."""
        return int(self[:-1]) * UNITS[self[-1]]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(), serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^({PATTERN})$", "maxLength": LONGEST}


class Every(Duration):
    """A duration out of the closed list that a schedule can keep evenly."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, OneOf(EVERY).check(text))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": list(EVERY), "maxLength": 3}
