"""Phone numbers of accounts. What belongs here: searching, buying, changing and releasing one."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import islice

from provider_sandbox.state import Body, Transaction
from provider_sandbox.twilio import errors, paging, pool
from provider_sandbox.twilio.accounts import new_sid, stamp, uri
from provider_sandbox.twilio.errors import TwilioError

KIND = "twilio.number"
CAPABILITIES = {"fax": False, "mms": False, "sms": True, "voice": True}
NEAR_MILES, FAR_MILES = 25, 500
FIELDS = {
    "FriendlyName": "friendly_name",
    "SmsUrl": "sms_url",
    "SmsMethod": "sms_method",
    "SmsFallbackUrl": "sms_fallback_url",
    "SmsFallbackMethod": "sms_fallback_method",
    "StatusCallback": "status_callback",
    "StatusCallbackMethod": "status_callback_method",
    "VoiceUrl": "voice_url",
    "VoiceMethod": "voice_method",
}


def owner_of(tx: Transaction, number: str) -> Body | None:
    """The bought number by its E.164 form, or None while nobody has it."""
    found = tx.find(KIND, key=number)
    return found[0] if found else None


def available(tx: Transaction, account: Body, country: str, query: Mapping[str, str]) -> list[Body]:
    """Numbers that can be bought, at most `PageSize` of them; none at all is an empty list, not an error."""
    if country not in pool.COUNTRIES:
        raise errors.not_found(uri(account["sid"], f"/AvailablePhoneNumbers/{country}"))
    near = pool.neighbours(query["NearNumber"], _distance(query)) if "NearNumber" in query else None
    free = (
        _offer(area, number)
        for area, number in pool.candidates(
            country, query.get("AreaCode"), query.get("Contains"), account["friendly_name"], near
        )
        if query.get("InLocality") in (None, area.locality)
        and query.get("InRegion") in (None, area.region)
        and owner_of(tx, number) is None
    )
    return list(islice(free, paging.size_of(query, 30)))


def buy(tx: Transaction, account: Body, form: Mapping[str, str]) -> Body:
    """Buy `PhoneNumber`, or any number of the US `AreaCode`.

    Raises 21422 for a number that somebody has, 21421 for one that can't be bought, 21451 for a malformed area code and
    21452 for one without a free number.
    """
    number = form.get("PhoneNumber") or _any_in(tx, account, form.get("AreaCode"))
    if owner_of(tx, number):
        raise TwilioError(400, 21422, f"{number} is not available.")
    if not pool.belongs(number):
        raise TwilioError(400, 21421, f"{number} is not a number that can be bought.")
    now = stamp(tx.now())
    sid = new_sid("PN")
    bought: Body = {
        "sid": sid,
        "account_sid": account["sid"],
        "address_requirements": "none",
        "address_sid": None,
        "api_version": "2010-04-01",
        "beta": False,
        "bundle_sid": None,
        "capabilities": CAPABILITIES,
        "date_created": now,
        "date_updated": now,
        "emergency_address_sid": None,
        "emergency_address_status": "unregistered",
        "emergency_status": "Inactive",
        "friendly_name": number,
        "identity_sid": None,
        "origin": "twilio",
        "phone_number": number,
        "sms_application_sid": "",
        "sms_fallback_method": "POST",
        "sms_fallback_url": "",
        "sms_method": "POST",
        "sms_url": "",
        "status": "in-use",
        "status_callback": "",
        "status_callback_method": "POST",
        "trunk_sid": None,
        "type": "local",
        "uri": uri(account["sid"], f"/IncomingPhoneNumbers/{sid}"),
        "voice_application_sid": "",
        "voice_caller_id_lookup": False,
        "voice_fallback_method": "POST",
        "voice_fallback_url": "",
        "voice_method": "POST",
        "voice_receive_mode": "voice",
        "voice_url": "",
    }
    bought.update(_changes(form))
    tx.effect("twilio.number_bought", bought["friendly_name"])
    return tx.put(KIND, sid, bought, owner=account["sid"], key=number)


def listed(tx: Transaction, account: Body, query: Mapping[str, str]) -> list[Body]:
    """An account's numbers, newest first, by exact name and by number (`*` stands for any digits)."""
    name, number = query.get("FriendlyName"), query.get("PhoneNumber", "*")
    return [
        body
        for body in reversed(tx.find(KIND, owner=account["sid"]))
        if name in (None, body["friendly_name"]) and fnmatchcase(body["phone_number"], number)
    ]


def existing(tx: Transaction, account: Body, sid: str) -> Body:
    """One of the account's numbers; raise 20404 for anything else."""
    body = tx.get(KIND, sid)
    if body is None or body["account_sid"] != account["sid"]:
        raise errors.not_found(uri(account["sid"], f"/IncomingPhoneNumbers/{sid}"))
    return body


def change(tx: Transaction, body: Body, form: Mapping[str, str]) -> Body:
    """Change a number's name or where its messages go."""
    return tx.change(KIND, body["sid"], {**body, **_changes(form), "date_updated": stamp(tx.now())})


def release(tx: Transaction, body: Body) -> None:
    """Give a number back; anybody may buy it again."""
    tx.effect("twilio.number_released", body["friendly_name"])
    tx.remove(KIND, body["sid"])


def _distance(query: Mapping[str, str]) -> float:
    """How far from a number is near, in miles; Twilio takes 25 unless told, and 500 at most."""
    text = query.get("Distance", str(NEAR_MILES))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= FAR_MILES):
        raise TwilioError(400, 21602, f"Distance '{text}' is not between 1 and {FAR_MILES} miles.")
    return float(text)


def _changes(form: Mapping[str, str]) -> Body:
    return {field: form[name] for name, field in FIELDS.items() if name in form}


def _any_in(tx: Transaction, account: Body, area_code: str | None) -> str:
    if area_code is None:
        raise errors.missing("PhoneNumber' or 'AreaCode")
    if not (area_code.isdigit() and len(area_code) == 3):
        raise TwilioError(400, 21451, f"'{area_code}' is not an area code.")
    offers = available(tx, account, "US", {"AreaCode": area_code, "PageSize": "1"})
    if not offers:
        raise TwilioError(400, 21452, f"No number is free in area code {area_code}.")
    return str(offers[0]["phone_number"])


def _offer(area: pool.Area, number: str) -> Body:
    return {
        "address_requirements": "none",
        "beta": False,
        "capabilities": CAPABILITIES,
        "friendly_name": number,
        "iso_country": area.country,
        "lata": None,
        "latitude": None,
        "locality": area.locality,
        "longitude": None,
        "phone_number": number,
        "postal_code": None,
        "rate_center": None,
        "region": area.region,
    }
