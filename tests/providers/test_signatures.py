"""Signatures: what is valid passes, and nothing else does; whatever comes in, only `BadSignature` comes out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from pilar.errors import BadSignature
from pilar.providers.stripe import signature as stripe_signature
from pilar.providers.twilio import signature as twilio_signature
from pilar.providers.whatsapp import signature as whatsapp_signature

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())
SECRET, OTHER = "whsec_first", "whsec_second"
URL = "https://studios.example.com/api/webhooks/twilio/sms?hint=1"
TOKEN = "account-token"

anything = st.text(st.characters())  # lone surrogates included
headers = anything | st.from_regex(r"(t=[0-9]{0,12},)?(v[01]=[0-9a-f]{0,70},?){0,3}", fullmatch=True)
forms = st.lists(st.tuples(anything, anything), max_size=5)
plain_forms = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5)


def stripe_header(body: bytes, *secrets: str, at: int = STAMP) -> str:
    signatures = [hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest() for key in secrets]
    return ",".join([f"t={at}", *(f"v1={one}" for one in signatures)])


def meta_header(body: bytes, secret: str) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


# Stripe


@given(st.binary())
def test_stripe_signs_any_bytes(body: bytes) -> None:
    stripe_signature.verify(body, stripe_header(body, SECRET), [SECRET], NOW)


@given(st.text())
def test_what_stripes_own_library_signs_is_valid(body: str) -> None:
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET, STAMP)
    stripe_signature.verify(body.encode(), header, [SECRET], NOW)


def test_what_we_hold_valid_stripes_own_library_holds_valid() -> None:
    body = b'{"id": "evt_1"}'
    header = stripe_header(body, OTHER, SECRET)
    stripe_signature.verify(body, header, [SECRET], NOW)
    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, tolerance=None)


@given(st.binary(), headers)
def test_no_header_makes_the_check_of_stripe_raise_anything_else(body: bytes, header: str) -> None:
    with pytest.raises(BadSignature):
        stripe_signature.verify(body, header, [SECRET], NOW)


@given(st.binary(), st.binary())
def test_another_body_does_not_pass_for_stripes(body: bytes, other: bytes) -> None:
    if body == other:
        return
    with pytest.raises(BadSignature):
        stripe_signature.verify(other, stripe_header(body, SECRET), [SECRET], NOW)


@pytest.mark.parametrize("secrets", [[SECRET, OTHER], [OTHER, SECRET]])
def test_during_rotation_either_secret_of_stripe_will_do(secrets: list[str]) -> None:
    body = b"{}"
    stripe_signature.verify(body, stripe_header(body, SECRET), secrets, NOW)
    stripe_signature.verify(body, stripe_header(body, "whsec_unknown", OTHER), secrets, NOW)
    with pytest.raises(BadSignature):
        stripe_signature.verify(body, stripe_header(body, "whsec_unknown"), secrets, NOW)


def test_without_secrets_nothing_of_stripe_is_valid() -> None:
    with pytest.raises(BadSignature):
        stripe_signature.verify(b"{}", stripe_header(b"{}", SECRET), [], NOW)


@pytest.mark.parametrize(("seconds", "valid"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_signature_of_stripe_is_valid_for_five_minutes_either_way(seconds: int, valid: bool) -> None:
    header = stripe_header(b"{}", SECRET, at=STAMP + seconds)
    if valid:
        stripe_signature.verify(b"{}", header, [SECRET], NOW)
    else:
        with pytest.raises(BadSignature, match="too far"):
            stripe_signature.verify(b"{}", header, [SECRET], NOW)


def test_the_tolerance_for_stripe_can_be_chosen() -> None:
    header = stripe_header(b"{}", SECRET, at=STAMP - 3600)
    stripe_signature.verify(b"{}", header, [SECRET], NOW, tolerance=timedelta(hours=1))


def test_a_signature_of_an_older_scheme_is_not_stripes() -> None:
    with pytest.raises(BadSignature):
        stripe_signature.verify(b"{}", stripe_header(b"{}", SECRET).replace("v1=", "v0="), [SECRET], NOW)


@pytest.mark.parametrize("cut", [0, 1, 63])
def test_a_shortened_signature_of_stripe_is_refused(cut: int) -> None:
    header = stripe_header(b"{}", SECRET)
    with pytest.raises(BadSignature):
        stripe_signature.verify(b"{}", header[: len(header) - 64 + cut], [SECRET], NOW)


# Meta


@given(st.binary())
def test_meta_signs_any_bytes(body: bytes) -> None:
    whatsapp_signature.verify(body, meta_header(body, SECRET), [OTHER, SECRET])


@given(st.binary(), anything | st.from_regex(r"sha(1|256)=[0-9a-fA-F]{0,66}", fullmatch=True))
def test_no_header_makes_the_check_of_meta_raise_anything_else(body: bytes, header: str) -> None:
    with pytest.raises(BadSignature):
        whatsapp_signature.verify(body, header, [SECRET, OTHER])


def test_another_body_or_secret_does_not_pass_for_metas() -> None:
    with pytest.raises(BadSignature):
        whatsapp_signature.verify(b"{ }", meta_header(b"{}", SECRET), [SECRET])
    with pytest.raises(BadSignature):
        whatsapp_signature.verify(b"{}", meta_header(b"{}", "unknown"), [SECRET, OTHER])
    with pytest.raises(BadSignature):
        whatsapp_signature.verify(b"{}", meta_header(b"{}", SECRET), [])


def handshake_of(**changes: str) -> dict[str, str]:
    params = {"hub.mode": "subscribe", "hub.verify_token": "ours", "hub.challenge": "1158201444"}
    return params | {f"hub.{name}": value for name, value in changes.items()}


def test_metas_handshake_is_answered_with_its_challenge() -> None:
    assert whatsapp_signature.handshake(handshake_of(), "ours") == "1158201444"


@pytest.mark.parametrize("changes", [{"verify_token": "theirs"}, {"mode": "unsubscribe"}, {"challenge": ""}])
def test_any_other_handshake_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        whatsapp_signature.handshake(handshake_of(**changes), "ours")


def test_a_token_that_was_never_set_opens_nothing() -> None:
    with pytest.raises(BadSignature):
        whatsapp_signature.handshake(handshake_of(verify_token=""), "")


@given(st.dictionaries(st.sampled_from(["hub.mode", "hub.verify_token", "hub.challenge", "x"]), anything))
def test_no_handshake_raises_anything_else(params: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        whatsapp_signature.handshake(params, "ours")


# Twilio


@given(plain_forms)
def test_what_twilios_own_library_signs_is_valid(form: dict[str, str]) -> None:
    header = RequestValidator(TOKEN).compute_signature(URL, form)
    twilio_signature.verify(URL, form, header, [TOKEN])
    twilio_signature.verify(URL, list(form.items()), header, [TOKEN])


@given(forms, anything)
def test_no_header_or_form_makes_the_check_of_twilio_raise_anything_else(
    form: list[tuple[str, str]], header: str
) -> None:
    with pytest.raises(BadSignature):
        twilio_signature.verify(URL, form, header, [TOKEN])


@pytest.mark.parametrize("url", ["http://[", "http://h:port/", "", "::"])
def test_no_address_makes_the_check_of_twilio_raise_anything_else(url: str) -> None:
    with pytest.raises(BadSignature):
        twilio_signature.verify(url, {}, "x", [TOKEN])


def test_a_field_that_comes_twice_counts_with_both_values() -> None:
    signed = URL + "MediaUrl" + "https://a" + "MediaUrl" + "https://b" + "To" + "+3161"
    header = twilio_header(signed)
    form = [("To", "+3161"), ("MediaUrl", "https://b"), ("MediaUrl", "https://a")]
    twilio_signature.verify(URL, form, header, [TOKEN])
    with pytest.raises(BadSignature):
        twilio_signature.verify(URL, form[:2], header, [TOKEN])


def test_a_field_that_is_new_counts_too() -> None:
    header = RequestValidator(TOKEN).compute_signature(URL, {"Body": "hi"})
    with pytest.raises(BadSignature):
        twilio_signature.verify(URL, {"Body": "hi", "Fresh": "1"}, header, [TOKEN])


@pytest.mark.parametrize(
    ("signed", "received"),
    [
        ("https://studios.example.com/hook", "https://studios.example.com:443/hook"),
        ("https://studios.example.com:443/hook", "https://studios.example.com/hook"),
        ("http://studios.example.com:80/hook", "http://studios.example.com/hook"),
        ("https://studios.example.com/hook", "https://studios.example.com:8443/hook"),
    ],
)
def test_the_port_may_be_named_or_not(signed: str, received: str) -> None:
    twilio_signature.verify(
        received, {"a": "b"}, RequestValidator(TOKEN).compute_signature(signed, {"a": "b"}), [TOKEN]
    )


def test_another_address_or_token_does_not_pass_for_twilios() -> None:
    header = RequestValidator(TOKEN).compute_signature(URL, {"Body": "hi"})
    with pytest.raises(BadSignature):
        twilio_signature.verify(URL.replace("sms", "status"), {"Body": "hi"}, header, [TOKEN])
    with pytest.raises(BadSignature):
        twilio_signature.verify(URL, {"Body": "hi"}, header, ["another-token"])


def test_a_json_body_is_bound_by_its_digest_in_the_address() -> None:
    body = json.dumps({"a": 1}).encode()
    url = "https://studios.example.com/hook?" + urlencode({"bodySHA256": hashlib.sha256(body).hexdigest()})
    header = RequestValidator(TOKEN).compute_signature(url, {})
    twilio_signature.verify_json(url, body, header, [TOKEN])
    with pytest.raises(BadSignature):
        twilio_signature.verify_json(url, body + b" ", header, [TOKEN])
    bare = "https://studios.example.com/hook"
    with pytest.raises(BadSignature):
        twilio_signature.verify_json(bare, body, RequestValidator(TOKEN).compute_signature(bare, {}), [TOKEN])


def twilio_header(signed: str) -> str:

    return base64.b64encode(hmac.new(TOKEN.encode(), signed.encode(), hashlib.sha1).digest()).decode()
