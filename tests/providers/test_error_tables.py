"""The tables of codes: complete for the codes that are known, and of the classes that the queue understands."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.errors import CredentialsRefused, Permanent, PilarError, Transient
from pilar.providers.calls import ErrorTable
from pilar.providers.elevenlabs import errors as elevenlabs_errors
from pilar.providers.email import errors as mail_errors
from pilar.providers.llm import errors as model_errors
from pilar.providers.reactions import Reaction
from pilar.providers.stripe import errors as stripe_errors
from pilar.providers.twilio import errors as twilio_errors
from pilar.providers.whatsapp import errors as meta_errors
from pilar.providers.whatsapp.errors import REACTIONS, reaction_to

TABLES = [
    *(stripe_errors.TABLE, twilio_errors.TABLE, meta_errors.TABLE, elevenlabs_errors.TABLE),
    *(model_errors.OPENAI_TABLE, model_errors.GROQ_TABLE, model_errors.ANTHROPIC_TABLE),
]
READERS = [
    *(stripe_errors.refusal_of, twilio_errors.refusal_of, meta_errors.refusal_of, elevenlabs_errors.refusal_of),
    *(model_errors.openai_refusal, model_errors.anthropic_refusal),
]
META_CODES = [
    *(0, 1, 2, 3, 4, 10, 190, 200, 250, 299, 368, 80007, 130429, 130472, 130497),
    *(131000, 131008, 131009, 131016, 131026, 131031, 131037, 131042, 131047, 131048, 131049, 131050, 131051),
    *(131052, 131053, 131056, 131057, 131064, 132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 133010),
]
TWILIO_CODES = [
    *(20003, 20429, 21211, 21422, 21451, 21452, 21610, 21614),
    *(30003, 30006, 63016, 63018, 63038, 63049),
]


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_for_good_or_for_later(table: ErrorTable) -> None:
    assert all(issubclass(kind, Permanent | Transient) for kind in table.values())


@pytest.mark.parametrize("code", META_CODES)
def test_every_known_code_of_meta_has_a_reaction_and_a_class(code: int) -> None:
    assert reaction_to(code) is reaction_to(str(code)) is REACTIONS[str(code)]
    assert issubclass(meta_errors.TABLE[str(code)], PilarError)


@pytest.mark.parametrize("code", TWILIO_CODES)
def test_every_known_code_of_twilio_has_a_class(code: int) -> None:
    assert str(code) in twilio_errors.TABLE


def test_every_reaction_is_asked_for_by_some_code() -> None:
    asked_for = {*REACTIONS.values(), *twilio_errors.REACTIONS.values(), *mail_errors.REACTIONS.values()}
    assert asked_for == set(Reaction)


def test_a_code_stands_in_one_row_only() -> None:
    codes = [code for codes, _, _ in meta_errors._ROWS for code in codes]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("code", "reaction"),
    [
        (131047, Reaction.PLAN_AS_TEMPLATE),
        (131056, Reaction.REQUEUE_PAIR),
        (131050, Reaction.OPTED_OUT),
        (132015, Reaction.AWAIT_TEMPLATE),
        (132016, Reaction.RETIRE_TEMPLATE),
        (190, Reaction.RECONNECT),
        (299, Reaction.RECONNECT),
        (300, None),
        (999999, None),
    ],
)
def test_the_reaction_to_a_code(code: int, reaction: Reaction | None) -> None:
    assert reaction_to(code) is reaction


@pytest.mark.parametrize("code", [0, 3, 10, 190, *range(200, 300)])
def test_whatever_meta_says_about_credentials_is_about_credentials(code: int) -> None:
    assert meta_errors.TABLE[str(code)] is CredentialsRefused


@given(st.integers(400, 599), st.binary())
def test_no_body_breaks_the_reading_of_a_refusal(status: int, body: bytes) -> None:
    answer = httpx.Response(status, content=body)
    for refusal_of in READERS:
        refusal = refusal_of(answer)
        assert (refusal.status, refusal.code) == (status, "")
    assert model_errors.groq_refusal(answer).status == status
