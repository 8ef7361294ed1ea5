"""The parameters of a request. What belongs here: reading them by type, and refusing what is wrong, as Stripe does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from provider_sandbox.stripe import errors

LARGEST = 99_999_999
"""The largest amount that Stripe takes, in minor units."""


class Params:
    """Fields of one request, or of a part of it. What nobody has read is unknown: `done()` refuses it."""

    def __init__(self, fields: dict[str, Any], inside: str = "") -> None:
        self._fields = fields
        self._inside = inside
        self._known: set[str] = set()
        self._parts: list[Params] = []

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str | None:
        """A text that may be missing; None where it is empty."""
        value = self._value(name)
        if value is not None and not isinstance(value, str):
            raise errors.wrong(self._path(name), "a string")
        return value or None

    def required(self, name: str) -> str:
        """A text that has to be there."""
        value = self.text(name)
        if value is None:
            raise errors.missing(self._path(name))
        return value

    def choice(self, name: str, options: Collection[str], default: str) -> str:
        """One of several words."""
        value = self.text(name) or default
        if value not in options:
            raise errors.wrong(self._path(name), f"one of {', '.join(sorted(options))}")
        return value

    def whole(self, name: str, *, least: int = 1, most: int = LARGEST) -> int | None:
        """A whole number that may be missing."""
        value = self.text(name)
        if value is None:
            return None
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or not least <= int(value) <= most:
            raise errors.no_integer(self._path(name), value)
        return int(value)

    def amount(self, name: str = "amount") -> int:
        """A positive amount in minor units that has to be there."""
        value = self.whole(name)
        if value is None:
            raise errors.missing(self._path(name))
        return value

    def currency(self) -> str:
        """A currency code that has to be there, in lower case as Stripe writes it."""
        value = self.required("currency").lower()
        if len(value) != 3 or not (value.isascii() and value.isalpha()):
            raise errors.wrong(self._path("currency"), "a three-letter ISO code")
        return value

    def flag(self, name: str) -> bool | None:
        """True or false; None where it is missing."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in {"true", "false"}:
            raise errors.wrong(self._path(name), "true or false")
        return value.lower() == "true"

    def metadata(self, old: dict[str, str] | None = None) -> dict[str, str]:
        """Metadata, merged into the old: an empty value removes its key, an empty text all of them."""
        value = self._value("metadata")
        if value is None:
            return dict(old or {})
        if value == "":
            return {}
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise errors.wrong(self._path("metadata"), "a set of key-value pairs")
        return {key: text for key, text in {**(old or {}), **value}.items() if text != ""}

    def part(self, name: str) -> Params:
        """The fields inside one, empty where it is missing."""
        value = self._value(name)
        if value in (None, ""):
            value = {}
        if not isinstance(value, dict):
            raise errors.wrong(self._path(name), "an object")
        return self._part(value, self._path(name))

    def parts(self, name: str) -> list[Params]:
        """A list of such."""
        value = self._value(name)
        if value in (None, ""):
            return []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise errors.wrong(self._path(name), "a list of objects")
        return [self._part(one, f"{self._path(name)}[{place}]") for place, one in enumerate(value)]

    def anything(self, name: str) -> Any:
        """A value that is kept as it is."""
        return self._value(name)

    def done(self) -> None:
        """Raise `StripeError` where something is left that nobody knows."""
        for name in self._fields:
            if name not in self._known:
                raise errors.unknown_parameter(self._path(name))
        for part in self._parts:
            part.done()

    def _part(self, fields: dict[str, Any], inside: str) -> Params:
        part = Params(fields, inside)
        self._parts.append(part)
        return part

    def _value(self, name: str) -> Any:
        self._known.add(name)
        return self._fields.get(name)

    def _path(self, name: str) -> str:
        return f"{self._inside}[{name}]" if self._inside else name
