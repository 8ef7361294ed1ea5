"""The shared call policy: whether a provider may have acted decides the error."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.errors import (
    Conflict,
    CredentialsRefused,
    NotConfigured,
    NotFound,
    OutcomeUnknown,
    Permanent,
    PilarError,
    Transient,
)
from pilar.providers.calls import Provider, Refusal, http_client, required, retry_after_of
from pilar.settings import Settings
from tests.providers.local_http import Answer, LocalServer, Misbehaviour, refusing_port

PROVIDER = Provider("Acme", {"taken": Conflict, "busy": OutcomeUnknown, "denied": CredentialsRefused})


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with http_client(0.2) as client:
        yield client


def error_of(error: Exception, *, changes: bool) -> PilarError:
    around = PROVIDER.changes if changes else PROVIDER.reads
    with pytest.raises(PilarError) as caught, around("operation"):
        raise error
    return caught.value


@pytest.mark.parametrize("changes", [True, False])
def test_a_refused_connection_proves_that_nothing_was_done(http: httpx.Client, changes: bool) -> None:
    around = PROVIDER.changes if changes else PROVIDER.reads
    with refusing_port() as port, pytest.raises(Transient) as caught, around("operation"):
        http.post(f"http://127.0.0.1:{port}/")
    assert type(caught.value) is Transient


@pytest.mark.parametrize("misbehaviour", list(Misbehaviour))
def test_whatever_breaks_after_sending_leaves_the_outcome_of_a_change_unknown(
    http: httpx.Client, server: LocalServer, misbehaviour: Misbehaviour
) -> None:
    server.answers(misbehaviour)
    with pytest.raises(OutcomeUnknown), PROVIDER.changes("operation"):
        http.post(server.base, json={})
    assert len(server.requests) == 1


@pytest.mark.parametrize("misbehaviour", list(Misbehaviour))
def test_whatever_breaks_after_sending_a_read_is_merely_transient(
    http: httpx.Client, server: LocalServer, misbehaviour: Misbehaviour
) -> None:
    server.answers(misbehaviour)
    with pytest.raises(Transient) as caught, PROVIDER.reads("operation"):
        http.get(server.base)
    assert type(caught.value) is Transient
    assert len(server.requests) == 1


@pytest.mark.parametrize("changes", [True, False])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Permanent),
        (401, CredentialsRefused),
        (403, CredentialsRefused),
        (404, NotFound),
        (408, Transient),
        (422, Permanent),
        (429, Transient),
    ],
)
def test_a_status_of_4xx_is_a_refusal_for_reads_and_changes_alike(
    status: int, expected: type[PilarError], changes: bool
) -> None:
    assert type(error_of(Refusal(status), changes=changes)) is expected


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_status_of_5xx_is_doubt_for_a_change_and_transient_for_a_read(status: int) -> None:
    assert type(error_of(Refusal(status), changes=True)) is OutcomeUnknown
    assert type(error_of(Refusal(status), changes=False)) is Transient


def test_a_code_of_the_table_outweighs_the_status() -> None:
    assert type(error_of(Refusal(400, "taken"), changes=True)) is Conflict
    assert type(error_of(Refusal(500, "denied"), changes=True)) is CredentialsRefused


def test_a_code_that_leaves_doubt_is_doubt_for_changes_only() -> None:
    assert type(error_of(Refusal(400, "busy"), changes=True)) is OutcomeUnknown
    assert type(error_of(Refusal(400, "busy"), changes=False)) is Transient


def test_a_refusal_carries_what_was_answered_with_personal_data_masked() -> None:
    error = error_of(Refusal(429, "slow", "wait, anna.smith@example.com", timedelta(seconds=7)), changes=True)
    assert isinstance(error, Transient)
    assert error.retry_after == timedelta(seconds=7)
    assert error.details == {"provider": "Acme", "operation": "operation", "status": 429, "provider_code": "slow"}
    assert "anna.smith" not in error.message


@pytest.mark.parametrize("broken", [ValueError("x"), KeyError("id"), TypeError("x"), AttributeError("x")])
def test_an_answer_that_cannot_be_read_is_doubt_for_a_change(broken: Exception) -> None:
    assert type(error_of(broken, changes=True)) is OutcomeUnknown
    assert type(error_of(broken, changes=False)) is Transient


def test_errors_of_our_own_pass_through_untouched() -> None:
    ours = Conflict("of our own")
    assert error_of(ours, changes=True) is ours


def test_a_programming_error_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError), PROVIDER.changes("operation"):
        _ = 1 / 0


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/", "http://127.0.0.1:port/", "127.0.0.1/"])
def test_an_address_that_cannot_be_called_is_a_matter_of_settings(http: httpx.Client, address: str) -> None:
    with pytest.raises(NotConfigured), PROVIDER.changes("operation"):
        http.post(address)


def test_a_key_that_fits_no_header_is_a_matter_of_settings_and_is_not_repeated(
    http: httpx.Client, server: LocalServer
) -> None:
    server.answers(Answer())
    key = "se\ncret"
    with pytest.raises(NotConfigured) as caught, PROVIDER.changes("operation"):
        http.post(server.base, headers={"Authorization": f"Bearer {key}"})
    assert "cret" not in "".join(traceback.format_exception(caught.value))
    assert server.requests == []


def test_each_call_writes_one_line_with_provider_operation_outcome_and_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with PROVIDER.reads("fine"):
        pass
    error_of(Refusal(400, "taken", "by +31 6 1234 5678"), changes=True)
    with pytest.raises(ZeroDivisionError), PROVIDER.reads("broken"):
        _ = 1 / 0
    lines = [record.getMessage().rpartition(" in ")[0] for record in caplog.records]
    assert lines == ["Acme fine: ok", "Acme operation: conflict (400 taken)", "Acme broken: ZeroDivisionError"]
    assert all(record.getMessage().endswith(" ms") for record in caplog.records)


def test_addresses_with_secrets_in_them_are_not_logged_by_the_http_library(
    http: httpx.Client, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.answers(Answer(body={}))
    with PROVIDER.reads("operation"):
        http.get(server.base, params={"client_secret": "hush"})
    assert len(caplog.records) == 1
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "12"}, timedelta(seconds=12)),
        ({"Retry-After": "0"}, timedelta(0)),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "9" * 400}, timedelta(days=1)),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, timedelta(0, 30)),
        ({"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], expected: timedelta | None) -> None:
    assert retry_after_of(httpx.Headers(headers)) == expected


@given(st.text(st.characters(codec="latin-1")), st.text(st.characters(codec="latin-1")))
def test_no_header_breaks_the_reading_of_retry_after(value: str, date: str) -> None:
    wait = retry_after_of({"retry-after": value, "date": date})
    assert wait is None or timedelta(0) <= wait <= timedelta(days=1)


def test_a_missing_setting_is_named_with_what_it_turns_off() -> None:
    with pytest.raises(NotConfigured, match=r"PILAR_STRIPE_API_KEY is not set\. signups") as caught:
        required(Settings(stripe_api_key=None), "stripe_api_key")
    assert caught.value.details == {"setting": "PILAR_STRIPE_API_KEY"}


def test_a_setting_is_its_newest_text_without_the_line_end_of_its_file() -> None:
    settings = Settings(meta_app_secret="newest\n,older", stripe_api_key="sk_test_1\n")
    assert required(settings, "meta_app_secret") == "newest"
    assert required(settings, "stripe_api_key") == "sk_test_1"
