"""What deliveries name is found whatever their shape, and what is personal in a body is not shown by itself."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.backplane.bodies import readable
from pilar.backplane.subjects import as_subject, digest, subjects

MESSAGE = {
    "object": "whatsapp_business_account",
    "entry": [{
        "id": "102290129340398",
        "changes": [{"field": "messages", "value": {
            "metadata": {"display_phone_number": "31200001111", "phone_number_id": "106540352242922"},
            "contacts": [{"profile": {"name": "Anna Jansen", "username": "anna_jansen92"},
                          "user_id": "NL.abc123XYZ", "wa_id": "31612345678"}],
            "messages": [{"id": "wamid.HBgLabc", "from": "31612345678", "timestamp": "1767225600", "type": "text",
                          "text": {"body": "Kan ik morgen komen?"}, "location": {"latitude": 52.1, "name": "Thuis"}}],
        }}],
    }],
}  # fmt: skip
FORM = {
    "MessageSid": "SM" + "0a" * 16, "AccountSid": "AC" + "1b" * 16, "From": "+31612345678", "To": "whatsapp:+31200001111",
    "Body": "Je code is 123-456", "MessageStatus": "delivered",
}  # fmt: skip
PAYMENT = {
    "id": "evt_1Abc2Def", "type": "checkout.session.completed", "created": 1767225600,
    "data": {"object": {"id": "cs_test_a1b2c3", "customer": "cus_N1ffr", "amount_total": 4900, "currency": "eur",
                        "customer_details": {"email": "Anna@Example.com", "name": "Anna Jansen"}}},
}  # fmt: skip


def test_ids_numbers_and_addresses_are_found_in_json_and_in_forms() -> None:
    assert subjects(json.dumps(MESSAGE).encode()) == [
        "102290129340398", "31200001111", "106540352242922", "NL.abc123XYZ", "31612345678", "wamid.HBgLabc",
    ]  # fmt: skip
    assert subjects(urlencode(FORM).encode()) == [FORM["MessageSid"], FORM["AccountSid"], "31612345678", "31200001111"]
    assert subjects(json.dumps(PAYMENT).encode()) == ["evt_1Abc2Def", "cs_test_a1b2c3", "cus_N1ffr", "anna@example.com"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("+31 6 1234 5678", "31612345678"), ("0031 6-1234-5678", "31612345678"), (" 31612345678 ", "31612345678"),
        ("wamid.HBgLabc", "wamid.HBgLabc"), ("ANNA@example.com", "anna@example.com"), ("cus_N1ffr", "cus_N1ffr"),
        ("something else", "something else"),
    ],
)  # fmt: skip
def test_what_people_type_is_understood_as_what_a_body_holds(typed: str, meant: str) -> None:
    assert as_subject(typed) == meant


@given(st.binary(max_size=300))
def test_no_body_is_too_odd(body: bytes) -> None:
    for subject in subjects(body):
        assert -(1 << 63) <= digest(subject) < 1 << 63
    readable(body)


@pytest.mark.parametrize("body", [json.dumps(MESSAGE), urlencode(FORM), json.dumps(PAYMENT)])
def test_nothing_personal_is_shown_by_itself(body: str) -> None:
    shown = readable(body.encode())
    for secret in (
        "Jansen",
        "jansen",
        "abc123",
        "612345678",
        "morgen",
        "123-456",
        "xample.com",
        "52.1",
        "Thuis",
        "1200001111",
    ):
        assert secret not in shown
    assert "Jansen" not in body or "Jansen" in readable(body.encode(), masked=False)
    assert readable(f"{body}\0garbage {body}"[5:].encode()).find("morgen") < 0


def test_what_says_what_happened_is_shown() -> None:
    shown = readable(json.dumps(MESSAGE).encode())
    for told in ('"type": "text"', '"wamid.HBgLabc"', '"…78"', '"field": "messages"', '"1767225600"'):
        assert told in shown
    form = readable(urlencode(FORM).encode())
    assert "MessageStatus = delivered" in form
    assert f"MessageSid = {FORM['MessageSid']}" in form
    assert '"amount_total": 4900' in readable(json.dumps(PAYMENT).encode())


@given(st.recursive(st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)))
def test_a_masked_body_keeps_its_shape(document: Any) -> None:
    if isinstance(document, dict | list):
        assert _shape(json.loads(readable(json.dumps(document).encode()))) == _shape(document)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else None
