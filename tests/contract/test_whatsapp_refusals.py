"""What Meta refuses and decides, as our client, our reader and our table of codes understand it; against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from pilar.errors import CredentialsRefused, PilarError
from pilar.providers.reactions import Reaction
from pilar.providers.whatsapp import signature
from pilar.providers.whatsapp.call_events import Call
from pilar.providers.whatsapp.deliveries import (
    Change,
    InboundMessage,
    MessageStatus,
    Preference,
    TemplateStatus,
    Unknown,
    read,
)
from pilar.providers.whatsapp.errors import REACTIONS, reaction_to
from provider_sandbox.meta.codes import CODES, code_of
from provider_sandbox.meta.inbound_kinds import KINDS
from provider_sandbox.meta.limits import MetaLimits
from tests.contract.world import Studio, World, connected_studio

LEAD = "+31612345678"
START = datetime(2030, 1, 1, 12, tzinfo=UTC)
OF_MESSAGES = [code for code in CODES if str(code) in REACTIONS]


@pytest.fixture
def studio(world: World) -> Studio:
    world.sandbox.set_targets(meta_webhook_url=f"{world.hooks.base}/whatsapp")
    return connected_studio(world, "s-1")


def told(world: World) -> list[Change]:
    world.sandbox.wait_idle()
    found = []
    for request in world.hooks.requests:
        if request.path == "/whatsapp":
            signed = request.headers["x-hub-signature-256"]
            signature.verify(request.body, signed, [world.sandbox.config.meta_app_secret])
            found += read(request.document)
    return found


def refusal(send: Callable[[], object]) -> str:
    """The provider's code of the error that a call raises."""
    with pytest.raises(PilarError) as caught:
        send()
    return str(caught.value.details["provider_code"])


def test_each_code_that_we_know_reaches_us_and_has_its_reaction(world: World, studio: Studio) -> None:
    world.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text="Hoi")
    later = []
    for code in OF_MESSAGES:
        world.sandbox.play_answer(code, to=LEAD)

        def send(callback: str = f"code {code}") -> str:
            return world.graph.send_text(studio.token, studio.phone_id, LEAD, "Hoi", callback=callback)

        if code_of(code).on_call:
            assert refusal(send) == str(code)
        else:
            send()
            later.append(code)
    failed = {one.callback: one for one in told(world) if isinstance(one, MessageStatus) and one.status == "failed"}
    assert failed.keys() == {f"code {code}" for code in later}
    for code in later:
        (error,) = failed[f"code {code}"].errors
        assert reaction_to(error.code) is REACTIONS[str(code)]
    assert len(OF_MESSAGES) > 35


@pytest.mark.parametrize("world", [{"meta_limits": MetaLimits(pair_seconds=3600, pair_burst=3)}], indirect=True)
def test_a_pair_that_is_too_quick_is_told_so_by_code(world: World, studio: Studio) -> None:
    world.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text="Hoi")

    def burst() -> None:
        for number in range(4):
            world.graph.send_text(studio.token, studio.phone_id, LEAD, f"Hoi {number}", callback=f"m-{number}")

    assert reaction_to(refusal(burst)) is Reaction.REQUEUE_PAIR
    assert world.sandbox.effects()["meta.message_sent"] == 3


def test_a_number_that_meta_has_deregistered_is_registered_again(world: World, studio: Studio) -> None:
    world.sandbox.decide_on_number(studio.number, status="DISCONNECTED")

    def send() -> str:
        return world.graph.send_text(studio.token, studio.phone_id, LEAD, "Hoi", callback="m-1")

    assert reaction_to(refusal(send)) is Reaction.REGISTER_AGAIN
    world.graph.register(studio.token, studio.phone_id, "654321")
    assert world.graph.phone_number(studio.token, studio.phone_id).status == "CONNECTED"
    assert send()
    for _attempt in range(8):
        world.graph.register(studio.token, studio.phone_id, "654321")
    assert refusal(lambda: world.graph.register(studio.token, studio.phone_id, "654321")) == "133016"


def test_an_owner_who_takes_our_access_away_is_noticed(world: World, studio: Studio) -> None:
    world.sandbox.decide_on_business(studio.waba_id, connected=False)
    with pytest.raises(CredentialsRefused):
        world.graph.templates(studio.token, studio.waba_id)
    with pytest.raises(CredentialsRefused):
        world.graph.granted_accounts(studio.token)


def test_a_wish_in_whatsapp_s_settings_is_read(world: World, studio: Studio) -> None:
    real = datetime.now(UTC)
    world.sandbox.set_clock(real_anchor=real, business_anchor=START, rate=0)
    for value in ("stop", "resume"):
        world.sandbox.set_preference(to=studio.number, sender=LEAD, value=value)
    assert [one for one in told(world) if isinstance(one, Preference)] == [
        Preference(studio.waba_id, studio.phone_id, "31612345678", opted_out, START) for opted_out in (True, False)
    ]


def test_everything_that_people_send_is_a_message_to_us(world: World, studio: Studio) -> None:
    kinds = [kind for kind in KINDS if kind not in ("call", "errors")]
    for kind in kinds:
        world.sandbox.receive_whatsapp(
            to=studio.number, sender=LEAD, text="31687654321", type=kind, context="wamid.ours", name="Bo"
        )
    world.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text="Hoi", hidden=True, name="Bo")
    found = [one for one in told(world) if isinstance(one, InboundMessage)]
    assert [one.kind for one in found] == [*kinds, "text"]
    assert {one.sender for one in found[:-1]} == {"31612345678"}
    hidden = found[-1]
    assert (hidden.sender_phone, hidden.sender[:3], hidden.sender_name) == (None, "NL.", "Bo")
    by_kind = {one.kind: one for one in found[:-1]}
    assert by_kind["interactive"].text == "31687654321"
    assert by_kind["reaction"].reply_to == "wamid.ours"
    for kind in ("call", "errors"):
        world.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, type=kind)
    heard = told(world)
    assert [one.is_theirs for one in heard if isinstance(one, Call)] == [True]
    assert {one.field for one in heard if isinstance(one, Unknown)} == {"messages"}


def test_the_pauses_of_a_template_are_read_one_by_one(world: World, studio: Studio) -> None:
    real = datetime.now(UTC)
    world.sandbox.set_clock(real_anchor=real, business_anchor=START, rate=0)
    wanted = {"language": "nl", "category": "marketing", "body": "Kom langs!", "examples": []}
    world.graph.submit_template(studio.token, studio.waba_id, name="offer", **wanted)
    world.sandbox.wait_idle()
    world.sandbox.set_template_quality(studio.waba_id, "offer", "nl", "RED")
    (paused,) = world.graph.templates(studio.token, studio.waba_id)
    assert paused.status == "PAUSED"
    world.sandbox.set_clock(real_anchor=real, business_anchor=START + timedelta(hours=3), rate=0)
    (again,) = world.graph.templates(studio.token, studio.waba_id)
    assert again.status == "APPROVED"
    events = [one.event for one in told(world) if isinstance(one, TemplateStatus)]
    assert events == ["APPROVED", "PAUSED", "APPROVED"]
