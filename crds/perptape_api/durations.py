"""Durations as users write them, ``5m`` or ``30d``: text that knows its length. Pure."""

import re
from typing import Any, Final, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from perptape_api.model import OneOf, shown

UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
PATTERN: Final = "(0|[1-9][0-9]{0,6})m|(0|[1-9][0-9]{0,4})h|(0|[1-9][0-9]{0,3})d"  # each unit up to about 20 years
LONGEST: Final = 8

MINUTES: Final = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
HOURS: Final = (1, 2, 3, 4, 6, 8, 12)
EVERY: Final[tuple[str, ...]] = (*(f"{n}m" for n in MINUTES), *(f"{n}h" for n in HOURS), "1d")
"""What cron can say evenly."""


class Duration(str):
    """A length of time, written as a whole number and one of the units m, h, d."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if re.fullmatch(PATTERN, text) is None:
            if re.fullmatch("[1-9][0-9]*[mhd]", text) is not None:
                raise ValueError(f"{shown(text)} is too long: the most is 9999999m, 99999h or 9999d")
            raise ValueError(f"{shown(text)} is not a duration: write a whole number and one of m, h, d, as in 5m, 12h or 30d")
        return super().__new__(cls, text)

    @property
    def ms(self) -> int:
        """The length in milliseconds."""
        return int(self[:-1]) * UNITS[self[-1]]

    @classmethod
    def read(cls, value: object) -> Self:
        """The duration that a document says; a bare number says none."""
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} has no unit: write a whole number and one of m, h, d, as in 5m, 12h or 30d")
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.read, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^({PATTERN})$", "maxLength": LONGEST}


class Every(Duration):
    """A duration out of the closed list that a schedule can keep evenly."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, OneOf(EVERY).check(text))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": list(EVERY), "maxLength": 3}
