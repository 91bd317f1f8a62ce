"""Serializer fields that take a JSON value for what it is, without turning one type into another."""

from typing import Any

from rest_framework import serializers


class StrictCharField(serializers.CharField):
    """A string, kept as sent: numbers are refused, and white space stays unless `trim_whitespace` is given."""

    def __init__(self, *, max_length: int, trim_whitespace: bool = False, **options: Any) -> None:
        super().__init__(max_length=max_length, trim_whitespace=trim_whitespace, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictIntegerField(serializers.IntegerField):
    """A whole number that a bigint column holds: strings, booleans and fractions are refused."""

    def __init__(self, *, min_value: int = -(2**63), max_value: int = 2**63 - 1, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictBooleanField(serializers.BooleanField):
    """`true` or `false`: numbers and strings are refused."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
