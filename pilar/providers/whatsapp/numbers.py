"""Phone numbers as Meta writes them. What belongs here: reading and splitting them; nothing is asked of anybody."""

from __future__ import annotations

import phonenumbers

from pilar.errors import Invalid
from pilar.providers.documents import Unreadable


def as_e164(display_number: str) -> str:
    """A number as Meta shows it (`+1 631-555-0100`) in E.164; raise `Unreadable` where it is none."""
    international = display_number if display_number.lstrip().startswith("+") else f"+{display_number}"
    try:
        number = phonenumbers.parse(international)
    except phonenumbers.NumberParseException as error:
        raise Unreadable("a phone number can't be read") from error
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def split(number: str) -> tuple[str, str]:
    """A number in E.164 as calling code and national part, both in digits; raise `Invalid` where it is none."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException as error:
        raise Invalid("A phone number starts with + and its country's calling code.") from error
    return str(parsed.country_code), phonenumbers.national_significant_number(parsed)
