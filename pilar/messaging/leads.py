"""The people a studio talks with, as staff and programs deal with them.

What belongs here: adding one, changing what is known of one, their consent by staff, and looking at them. What
does not: notes (`notes.py`), putting two together (`merging.py`) and forgetting one (`erasing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import phonenumbers
from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.errors import Conflict, Invalid
from pilar.messaging import consent, lead_page_store, merging, people_store, store
from pilar.messaging.consent import ConsentScope
from pilar.messaging.facts import opted_out_scope
from pilar.messaging.identity import recognise
from pilar.messaging.lead_import import ERASED, WITHDRAWN
from pilar.messaging.rooms import People
from pilar.messaging.zones import country_of
from pilar.people import About, Moment
from pilar.providers.email.mailbox import mailbox
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import time_zones

LIFECYCLES = ("lead", "customer", "former")
"""What staff may set; staff and erased are the system's own."""
LONGEST_NAME = 200
SHORTEST_PROOF = 3
TAGS_AT_MOST = 50
PROPERTIES_AT_MOST = 100


@dataclass(frozen=True)
class Changes:
    """What is to be changed of a lead; what is None stays.

    Attributes:
        name: empty: none is known.
        phone: as typed; a number without its calling code is one of the studio's country.
        email: a mail address; empty: none is known. Two leads may have the same one.
        language: ISO 639-1.
        time_zone: IANA name; empty: where the number may be.
        tags: all of them.
        properties: those to set; one that is None is taken away.
        lifecycle: lead, customer or former.
    """

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    language: str | None = None
    time_zone: str | None = None
    tags: list[str] | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    lifecycle: str | None = None


def add(
    connection: Connection,
    clocks: Clocks,
    people: People,
    workspace_id: UUID,
    wanted: Changes,
    *,
    actor: str,
    consent_proof: str = "",
    email_consent_proof: str = "",
) -> Row[Any]:
    """A lead whom staff brings, known by their number; who is there already is filled in.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        people: every room that keeps something about leads.
        workspace_id: the studio's.
        wanted: what is known of them; the number is needed.
        actor: who brings them, as in the audit log.
        consent_proof: what shows that they agreed to marketing; empty: they have not.
        email_consent_proof: likewise to e-mail.

    Raises:
        Invalid: something is not what it should be.
        Conflict: they were erased: only they themselves can come back.
    """
    _, document = workspaces.load_configuration(connection, workspace_id)
    phone = e164(wanted.phone or "", document.studio.country)
    if people_store.suppressed(connection, workspace_id, people.digests.of(connection, [phone])):
        raise Conflict(ERASED)
    now = clocks.business.now()
    values = {
        "phone": phone,
        "name": wanted.name or None,
        "language": wanted.language or document.studio.language,
        "country": country_of(phone),
        "lifecycle": "lead",
        "source": "staff",
        "created_at": now,
    }
    lead = recognise(connection, clocks, workspace_id, (phone[1:], None), values, Cause.new(), people)
    lead = change(connection, clocks, people, workspace_id, lead.id, wanted, actor=actor)
    agreed: tuple[tuple[ConsentScope, str], ...] = (("marketing", consent_proof), ("email", email_consent_proof))
    for scope, proof in agreed:
        if proof:
            allow(connection, clocks, people, workspace_id, lead.id, scope, True, proof, actor=actor)
    return lead


def change(
    connection: Connection,
    clocks: Clocks,
    people: People,
    workspace_id: UUID,
    lead_id: UUID,
    wanted: Changes,
    *,
    actor: str,
) -> Row[Any]:
    """Change what is known of a lead; a number that another lead has makes the two one.

    Arguments are those of `add`. Raises `Invalid`, `NotFound`, or `Conflict` where the lead was erased.
    """
    lead = store.lock_lead(connection, workspace_id, lead_id)
    if lead.lifecycle == "erased":
        raise Conflict("This lead was erased: there is nothing to change.")
    _, document = workspaces.load_configuration(connection, workspace_id)
    values = _checked(wanted, lead)
    if wanted.phone:
        phone = e164(wanted.phone, document.studio.country)
        if phone != lead.phone:
            _check_not_erased(connection, workspace_id, people, phone)
            for other in people_store.candidates(connection, workspace_id, [phone[1:]], phone):
                if other.id != lead.id:
                    reason = "Staff told that the number is theirs."
                    merging.merge(
                        connection, clocks, people, workspace_id, lead.id, other.id, actor, reason, Cause.new()
                    )
            values |= {"phone": phone, "country": country_of(phone)}
    if wanted.email is not None:
        email = mailbox(wanted.email) if wanted.email.strip() else None
        if email is not None and email != lead.email:
            _check_not_erased(connection, workspace_id, people, email)
        if email != lead.email:
            values |= {"email": email, "email_refused": None}
    if values:
        store.change_lead(connection, workspace_id, lead.id, values)
        audit.record(
            connection,
            actor=actor,
            action="lead.changed",
            subject=f"lead:{lead.id}",
            now=clocks.real.now(),
            workspace_id=workspace_id,
            details={"changed": sorted(values)},
        )
    if "phone" in values:
        consent.keep_stopped(connection, clocks, workspace_id, lead.id, Cause.new(), people)
    return store.get_lead(connection, workspace_id, lead.id)


def allow(
    connection: Connection,
    clocks: Clocks,
    people: People,
    workspace_id: UUID,
    lead_id: UUID,
    scope: ConsentScope,
    granted: bool,
    proof: str,
    *,
    actor: str,
) -> bool:
    """Keep what a lead told the staff about being written to; return whether it is new.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        people: every room that keeps something about leads.
        workspace_id: the studio's.
        lead_id: whose.
        scope: marketing, email, all, or founder: every studio; nobody agrees for all of them.
        granted: they agreed; else they withdrew.
        proof: where and how they did.
        actor: who keeps it, as in the audit log.

    Raises:
        Invalid: there is no proof, or they can't agree to that.
        Conflict: they said themselves that they want nothing: only they can agree anew.
    """
    proof = proof.strip()
    if len(proof) < SHORTEST_PROOF:
        raise Invalid("Say what shows it, such as a form's name and its date: consent without proof is none.")
    lead = store.lock_lead(connection, workspace_id, lead_id)
    if granted:
        digests = people.digests.of(connection, (lead.phone, lead.provider_user_id, lead.email))
        if lead.lifecycle == "erased" or people_store.suppressed(connection, workspace_id, digests):
            raise Conflict(ERASED)
        counts = store.consents(connection, workspace_id, lead.id)
        if opted_out_scope(counts) is not None:
            raise Conflict(WITHDRAWN)
        if scope == "email" and counts.get("email") is False:
            raise Conflict(
                "The person asked for no more e-mail: only they themselves can agree anew, by the same link."
            )
        done = consent.grant(connection, clocks, workspace_id, lead.id, scope, "staff", proof, people)
    else:
        story = Cause.new()
        done = consent.withdraw(connection, clocks, workspace_id, lead.id, scope, "staff", proof, story, people)
    if done:
        audit.record(
            connection,
            actor=actor,
            action="lead.consent_kept",
            subject=f"lead:{lead.id}",
            now=clocks.real.now(),
            workspace_id=workspace_id,
            details={"scope": scope, "granted": granted},
        )
    return done


def timeline(
    connection: Connection, clocks: Clocks, people: People, workspace_id: UUID, lead_id: UUID, limit: int
) -> list[Moment]:
    """What happened with a lead, the newest first; `lead_id` is the one that their row has."""
    about = About(connection, workspace_id, lead_id, clocks.business.now())
    found = [moment for room in people.rooms for moment in room.moments(about, limit)]
    return sorted(found, key=lambda moment: moment.at, reverse=True)[:limit]


def list_leads(
    connection: Connection,
    workspace_id: UUID,
    *,
    search: str = "",
    tag: str = "",
    lifecycle: str = "",
    before: UUID | None,
    limit: int,
) -> list[Row[Any]]:
    """A studio's leads, the newest first.

    Args:
        connection: a transaction that sees the studio.
        workspace_id: the studio's.
        search: a part of a name or a number.
        tag: with this tag.
        lifecycle: at this point; those who were erased are told only where they are asked for.
        before: only those who came before this one.
        limit: how many at most.
    """
    return lead_page_store.list_leads(connection, workspace_id, search, tag, lifecycle, before, limit)


def e164(typed: str, country: str) -> str:
    """A number in E.164; raise `Invalid` for what is none that there can be."""
    try:
        number = phonenumbers.parse(typed, country)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise Invalid("The phone is no number that there can be: write it with + and the country's calling code.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _check_not_erased(connection: Connection, workspace_id: UUID, people: People, phone: str) -> None:
    if people_store.suppressed(connection, workspace_id, people.digests.of(connection, [phone])):
        raise Conflict(ERASED)


def _checked(wanted: Changes, lead: Row[Any]) -> dict[str, Any]:
    """The columns that change.

    Raises:
        Invalid: one of them can't be that.
    """
    values: dict[str, Any] = {}
    if wanted.name is not None:
        name = " ".join(wanted.name.split())
        if len(name) > LONGEST_NAME:
            raise Invalid(f"A name has at most {LONGEST_NAME} characters.")
        values["name"] = name or None
    if wanted.language is not None:
        language = wanted.language.strip().lower()
        if not (len(language) == 2 and language.isascii() and language.isalpha()):
            raise Invalid("The language is none: write two letters such as nl or en.")
        values["language"] = language
    if wanted.time_zone is not None:
        if wanted.time_zone and wanted.time_zone not in time_zones():
            raise Invalid("The time zone is none: write a name such as Europe/Amsterdam, or leave it empty.")
        values["time_zone"] = wanted.time_zone or None
    if wanted.lifecycle is not None:
        if wanted.lifecycle not in LIFECYCLES:
            raise Invalid(f"A lead is one of {', '.join(LIFECYCLES)}; {wanted.lifecycle!r} is none of them.")
        if lead.lifecycle == "staff":
            raise Invalid("This is the studio's owner, and stays that.")
        values["lifecycle"] = wanted.lifecycle
    if wanted.tags is not None:
        tags = list(dict.fromkeys(tag for one in wanted.tags if (tag := " ".join(one.split()))))
        if len(tags) > TAGS_AT_MOST or any(len(tag) > 60 for tag in tags):
            raise Invalid(f"A lead has at most {TAGS_AT_MOST} tags of at most 60 characters.")
        values["tags"] = tags
    if wanted.properties:
        kept = {**lead.properties, **wanted.properties}
        kept = {name: value for name, value in kept.items() if value is not None}
        if len(kept) > PROPERTIES_AT_MOST:
            raise Invalid(f"A lead has at most {PROPERTIES_AT_MOST} properties.")
        values["properties"] = kept
    return {name: value for name, value in values.items() if value != getattr(lead, name)}
