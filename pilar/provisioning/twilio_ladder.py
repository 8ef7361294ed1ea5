"""Where a studio's number is looked for, nearest first. What belongs here: the pure ladder; the search is Twilio's.

Twilio offers by area code, by distance from a number and by region in the United States and Canada alone; elsewhere an
area is what a number begins with. The last rung is always the country.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import geocoder

AREA_CODES = frozenset({"US", "CA"})
_AREA_DIGITS = 3
_STATE = re.compile(r".*, ([A-Z]{2})")


@dataclass(frozen=True)
class Rung:
    """One search; what is None does not narrow it.

    Attributes:
        name: of the rung, kept with what was bought.
        area_code: three digits.
        near: a number in E.164, in whose neighbourhood it is looked.
        region: a state or province, two letters.
        begins: what the number begins with, in E.164.
    """

    name: str
    area_code: str | None = None
    near: str | None = None
    region: str | None = None
    begins: str | None = None


COUNTRY = Rung("country")


def rungs(country: str, phone: str | None) -> list[Rung]:
    """Where to look for a number, in order.

    Args:
        country: the studio's, ISO 3166 alpha-2.
        phone: the owner's number in E.164, if it is known; one of another country tells nothing.
    """
    try:
        number = phonenumbers.parse(phone or "")
    except phonenumbers.NumberParseException:
        return [COUNTRY]
    if phonenumbers.region_code_for_number(number) != country or not phonenumbers.is_valid_number(number):
        return [COUNTRY]
    national = phonenumbers.national_significant_number(number)
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if country in AREA_CODES:
        found = [Rung("area code", area_code=national[:_AREA_DIGITS]), Rung("neighbouring", near=written)]
        if state := _STATE.fullmatch(geocoder.description_for_number(number, "en")):
            found.append(Rung("region", region=state[1]))
        return [*found, COUNTRY]
    digits = phonenumbers.length_of_geographical_area_code(number)
    if not digits:
        return [COUNTRY]  # a mobile number is from nowhere
    return [Rung("area code", begins=f"+{number.country_code}{national[:digits]}"), COUNTRY]
