"""What the leaves promise: time, money, ids, secrets and masking."""

from __future__ import annotations

import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.backplane.retries import LONGEST, backoff
from pilar.clocks import ClockSetting, ManualClock
from pilar.crypto import SecretBox, new_key
from pilar.errors import NotConfigured, Permanent, PilarError, Transient
from pilar.ids import new_id
from pilar.masking import MaskingFilter, mask, mask_text
from pilar.money import Money
from pilar.settings import Settings, reveal
from pilar.tokens import new_token, same, token_hash

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_ids_are_version_7_and_grow_with_time() -> None:
    made = [new_id() for _ in range(100)]
    assert {(made_id.version, made_id.variant) for made_id in made} == {(7, RFC_4122)}
    assert [made_id.int >> 80 for made_id in made] == sorted(made_id.int >> 80 for made_id in made)
    assert len(set(made)) == 100


def test_a_manual_clock_moves_forward_only() -> None:
    clock = ManualClock(START)
    assert clock.advance(timedelta(hours=1)) == clock.now() == START + timedelta(hours=1)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(timedelta(seconds=-1))
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


@given(st.floats(0, 10_000), st.floats(0, 10_000), st.floats(0, 10_000))
def test_business_time_never_runs_backwards(rate: float, first: float, more: float) -> None:
    setting = ClockSetting(START, START, rate)
    earlier = setting.at(START + timedelta(seconds=first))
    assert START <= earlier <= setting.at(START + timedelta(seconds=first + more))


@given(st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_money_adds_up_to_the_cent(left: int, right: int) -> None:
    total = Money(left, "EUR") + Money(right, "EUR")
    assert total - Money(right, "EUR") == Money(left, "EUR")
    assert total + -total == Money(0, "EUR")


def test_money_is_whole_has_one_currency_and_reads_well() -> None:
    assert str(Money(-1205, "EUR")) == "-12.05 EUR"
    with pytest.raises(TypeError):
        Money(1.5, "EUR")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="don't add up"):
        Money(1, "EUR") + Money(1, "USD")
    with pytest.raises(ValueError, match="currency"):
        Money(1, "eur")


def test_a_key_can_be_rotated_without_a_gap() -> None:
    old, new = new_key(), new_key()
    sealed = SecretBox([old]).seal("token")
    both = SecretBox([new, old])
    assert both.open(sealed) == "token"
    resealed = both.reseal(sealed)
    assert SecretBox([new]).open(resealed) == "token"
    with pytest.raises(Permanent, match="removed too early"):
        SecretBox([new]).open(sealed)


@pytest.mark.parametrize("keys", [[], ["short"], ["not base64 at all !!!"]])
def test_a_missing_or_malformed_key_is_named(keys: list[str]) -> None:
    with pytest.raises(NotConfigured, match="PILAR_SECRET_KEYS"):
        SecretBox(keys)


def test_tokens_tell_what_they_are_and_are_stored_hashed() -> None:
    token = new_token("pilar")
    assert token.startswith("pilar_")
    assert len(token_hash(token)) == 32
    assert same(token, token.encode())
    assert not same(token, "é" * 50)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail anna.smith@example.com now", "mail a…@example.com now"),
        ("call +31 6 1234 5678 or 0612345678", "call …78 or …78"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("{'authorization': 'Basic secret'}", "{'authorization': 'Basic ***'}"),
        ("(b'Authorization', b'Token abc')", "(b'Authorization', b'Token ***')"),
        ("sent with Basic QUM6dG9rZW4=", "sent with Basic ***"),
        ("plan BASIC costs 49 euros", "plan BASIC costs 49 euros"),
        ("BASIC 49.00, a bearer of news. The basic PLAN", "BASIC 49.00, a bearer of news. The basic PLAN"),
        ("key sk_test_abcdefghijklmnop", "key ***"),
        ("on 2026-01-01 at 10:00 for 1234 cents", "on 2026-01-01 at 10:00 for 1234 cents"),
        ("job 0197f3f0-1234-7abc-8def-0123456789ab", "job 0197f3f0-1234-7abc-8def-0123456789ab"),
    ],
)
def test_texts_are_masked_by_shape(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@given(
    st.binary(min_size=16, max_size=60),
    st.sampled_from([b64encode, urlsafe_b64encode]),
    st.sampled_from(["Bearer", "basic", "BASIC"]),
)
def test_a_credential_never_shows(secret: bytes, written: Callable[[bytes], bytes], scheme: str) -> None:
    credential = written(secret).decode()
    assert credential not in mask_text(f"asked with {scheme} {credential}, and refused")
    short = credential[:4]
    header = mask_text(f'{{"Authorization": "{scheme} {short}"}}')
    assert header == f'{{"Authorization": "{scheme} ***"}}'


def test_documents_are_masked_by_name_and_keep_their_shape() -> None:
    document = {"auth_token": "x", "code": "123-456", "name": "Anna", "n": 5, "ok": True, "list": [{"password": "p"}]}
    assert mask(document) == {
        "auth_token": "***", "code": "***", "name": "A…", "n": 5, "ok": True, "list": [{"password": "***"}]
    }  # fmt: skip


def test_log_lines_are_masked_with_their_arguments() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "sent to %s", ("anna@example.com",), None)
    MaskingFilter().filter(record)
    assert record.getMessage() == "sent to a…@example.com"


@given(st.integers(1, 100))
def test_delays_grow_to_a_bound_and_respect_the_provider(attempt: int) -> None:
    assert timedelta(seconds=0.5) <= backoff(attempt) <= LONGEST
    assert backoff(attempt, at_least=timedelta(hours=2)) == timedelta(hours=2)


def test_an_error_says_by_default_what_its_class_says() -> None:
    class Odd(Transient):
        """The moon is full."""

    assert str(Odd()) == "The moon is full."
    assert str(Odd("It is not.")) == "It is not."
    assert isinstance(Odd(), PilarError)


def test_settings_split_lists_trim_addresses_and_hide_secrets() -> None:
    settings = Settings(secret_keys="a, b,", public_url="https://pilar.example/", stripe_api_key="sk_live_1")
    assert reveal(settings.secret_keys) == ["a", "b"]
    assert settings.public_url == "https://pilar.example"
    assert "sk_live_1" not in repr(settings)
