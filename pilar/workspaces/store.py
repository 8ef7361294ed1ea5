"""The SQL of workspaces. What belongs here: reading and writing rows; the rules are in the use cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Text, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.errors import Conflict, NotFound
from pilar.ids import new_id
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.tables import integration, membership, person, subscription, workspace, workspace_configuration

FORMER_NUMBERS = "former_numbers"
"""Ids of a studio's earlier numbers, in the details of its account: what still comes for them is its own."""


@dataclass(frozen=True)
class Integration:
    """A studio's account at a provider."""

    workspace_id: UUID
    provider: str
    state: str
    external_id: str | None
    phone_number: str | None
    phone_number_id: str | None
    sealed_credentials: bytes | None
    details: dict[str, Any]


def get_workspace(connection: Connection, workspace_id: UUID) -> Row[Any]:
    """The studio's row; raise `NotFound` where this scope sees none."""
    row = connection.execute(select(workspace).filter_by(workspace_id=workspace_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such studio.")
    return row


def hold_workspace(connection: Connection, workspace_id: UUID, *, alone: bool = False) -> Row[Any]:
    """The studio's row, whose state nobody changes until this transaction ends; `alone`: and nobody relies on it.

    Raises:
        NotFound: this scope sees no such studio.
    """
    query = select(workspace).filter_by(workspace_id=workspace_id).with_for_update(read=not alone, key_share=alone)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("There is no such studio.")
    return row


def set_plan(connection: Connection, workspace_id: UUID, plan: str) -> None:
    """Change a studio's plan."""
    connection.execute(update(workspace).filter_by(workspace_id=workspace_id).values(plan=plan))


def studio_names(connection: Connection, studios: Collection[UUID]) -> dict[UUID, str]:
    """What studios are called, by id, as far as this scope sees them."""
    query = select(workspace.c.workspace_id, workspace.c.name).where(workspace.c.workspace_id.in_(studios))
    return {row.workspace_id: row.name for row in connection.execute(query)}


def workspace_exists(connection: Connection, workspace_id: UUID) -> bool:
    """Whether there is such a studio in this scope."""
    query = select(workspace.c.workspace_id).filter_by(workspace_id=workspace_id)
    return connection.execute(query).first() is not None


def upsert_workspace(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Make a studio's row unless it is there; return whether it is new."""
    statement = upsert(workspace).values(**values).on_conflict_do_nothing(index_elements=["workspace_id"])
    return connection.execute(statement).rowcount == 1


def set_state(connection: Connection, workspace_id: UUID, state: str, *, activated_at: datetime | None = None) -> None:
    """Change a studio's state; the moment of its first activation is kept."""
    values: dict[str, Any] = {"state": state}
    if activated_at is not None:
        values["activated_at"] = func.coalesce(workspace.c.activated_at, activated_at)
    connection.execute(update(workspace).filter_by(workspace_id=workspace_id).values(values))


def ensure_person(
    connection: Connection, *, email: str, name: str, phone: str | None, now: datetime, is_founder: bool = False
) -> UUID:
    """The person with that address, made if need be; what is known of them stays as it was."""
    address = email.strip().lower()
    fresh = upsert(person).values(
        id=new_id(), email=address, name=name, phone=phone, is_founder=is_founder, created_at=now
    )
    connection.execute(fresh.on_conflict_do_nothing(index_elements=["email"]))
    row = connection.execute(select(person.c.id, person.c.is_founder).filter_by(email=address)).one()
    if is_founder and not row.is_founder:
        connection.execute(update(person).filter_by(id=row.id).values(is_founder=True))
    found: UUID = row.id
    return found


def name_affiliate(connection: Connection, person_id: UUID, affiliate_id: UUID) -> None:
    """Note which affiliate a person is."""
    connection.execute(update(person).filter_by(id=person_id).values(affiliate_id=affiliate_id))


def ensure_membership(connection: Connection, workspace_id: UUID, person_id: UUID, role: str, now: datetime) -> None:
    """Have somebody work in a studio. Whether there is room for a member is asked before (`security/members.py`)."""
    fresh = upsert(membership).values(workspace_id=workspace_id, person_id=person_id, role=role, created_at=now)
    connection.execute(fresh.on_conflict_do_nothing())


def members_of(connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
    """Who works in a studio: the owner first, then by how long they are there; needs the fleet's scope."""
    query = (
        select(person.c.id, person.c.name, person.c.email, membership.c.role, membership.c.created_at)
        .join(membership, membership.c.person_id == person.c.id)
        .where(membership.c.workspace_id == workspace_id)
        .order_by(membership.c.role.desc(), membership.c.created_at, person.c.id)
    )
    return list(connection.execute(query))


def delete_membership(connection: Connection, workspace_id: UUID, person_id: UUID) -> None:
    """Have somebody work in a studio no more."""
    connection.execute(delete(membership).filter_by(workspace_id=workspace_id, person_id=person_id))


def find_owner(connection: Connection, workspace_id: UUID) -> Row[Any] | None:
    """The owner's person row, if there is one."""
    return connection.execute(
        select(person)
        .join(membership, membership.c.person_id == person.c.id)
        .where(membership.c.workspace_id == workspace_id, membership.c.role == "owner")
        .order_by(membership.c.created_at)
        .limit(1)
    ).one_or_none()


def owner_of(connection: Connection, workspace_id: UUID) -> Row[Any]:
    """The owner's person row; raise `NotFound` where there is none."""
    row = find_owner(connection, workspace_id)
    if row is None:
        raise NotFound("The studio has no owner.")
    return row


def names_of(connection: Connection, people: Collection[UUID]) -> dict[UUID, str]:
    """What people are called, by id; needs the fleet's scope."""
    rows = connection.execute(select(person.c.id, person.c.name).where(person.c.id.in_(people)))
    return {row.id: row.name for row in rows}


def is_member(connection: Connection, workspace_id: UUID, person_id: UUID) -> bool:
    """Whether somebody works in a studio."""
    query = select(membership.c.role).filter_by(workspace_id=workspace_id, person_id=person_id)
    return connection.execute(query).first() is not None


def upsert_subscription(connection: Connection, workspace_id: UUID, values: Mapping[str, Any]) -> bool:
    """Keep what Stripe said; return False where it is older than what is kept, and changes nothing."""
    statement = upsert(subscription).values(workspace_id=workspace_id, **values)
    kept = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace_id"],
            set_=dict(values),
            where=subscription.c.read_at <= statement.excluded.read_at,
        )
    )
    return kept.rowcount == 1


def save_configuration(
    connection: Connection,
    workspace_id: UUID,
    document: StudioConfiguration,
    *,
    changed_by: str,
    note: str,
    now: datetime,
    expected_version: int | None = None,
) -> int:
    """Store a new version of a studio's configuration and return its number; the same document makes no new one.

    Raises:
        Conflict: somebody else changed it since `expected_version`.
    """
    current = connection.execute(
        select(workspace_configuration.c.version, workspace_configuration.c.document)
        .filter_by(workspace_id=workspace_id)
        .order_by(workspace_configuration.c.version.desc())
        .limit(1)
    ).one_or_none()
    version = current.version if current else 0
    if expected_version is not None and expected_version != version:
        raise Conflict(f"The configuration is at version {version} by now: read it again and repeat the change.")
    content = document.model_dump(mode="json")
    if current and current.document == content:
        return int(version)
    inserted = connection.execute(
        upsert(workspace_configuration)
        .values(
            workspace_id=workspace_id,
            version=version + 1,
            document=content,
            changed_by=changed_by,
            note=note,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    if inserted.rowcount == 0:
        raise Conflict("Somebody changed the configuration at the same moment: read it again and repeat the change.")
    return int(version) + 1


def load_configuration(connection: Connection, workspace_id: UUID) -> tuple[int, StudioConfiguration]:
    """The version in force and its document; raise `NotFound` where there is none."""
    row = connection.execute(
        select(workspace_configuration.c.version, cast(workspace_configuration.c.document, Text).label("document"))
        .filter_by(workspace_id=workspace_id)
        .order_by(workspace_configuration.c.version.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound("The studio has no configuration.")
    return row.version, as_configuration(row.document)


@lru_cache(maxsize=2_000)
def as_configuration(document: str) -> StudioConfiguration:
    """A stored document. It is asked for with every message, and validating it takes longer than reading it."""
    return StudioConfiguration.model_validate_json(document)


def upsert_integration(
    connection: Connection, workspace_id: UUID, provider: str, *, now: datetime, **values: Any
) -> None:
    """Keep what is known of a studio's account at a provider; what is not named stays as it was."""
    statement = upsert(integration).values(
        **{"state": "pending", "details": {}, **values}, workspace_id=workspace_id, provider=provider, updated_at=now
    )
    connection.execute(
        statement.on_conflict_do_update(index_elements=["workspace_id", "provider"], set_={**values, "updated_at": now})
    )


def connected_to(connection: Connection, studios: Iterable[UUID], provider: str) -> list[UUID]:
    """Those of the studios that are active and whose account at a provider is connected."""
    query = (
        select(integration.c.workspace_id)
        .join(workspace, workspace.c.workspace_id == integration.c.workspace_id)
        .where(integration.c.workspace_id.in_(list(studios)), integration.c.provider == provider)
        .where(
            integration.c.state == "connected", integration.c.external_id.is_not(None), workspace.c.state == "active"
        )
    )
    return list(connection.execute(query.order_by(integration.c.workspace_id)).scalars())


def get_integration(
    connection: Connection, workspace_id: UUID, provider: str, *, hold: bool = False
) -> Integration | None:
    """A studio's account at a provider, if it has one; `hold` keeps others from changing it until the end."""
    query = select(integration).filter_by(workspace_id=workspace_id, provider=provider)
    row = connection.execute(query.with_for_update() if hold else query).one_or_none()
    return _integration(row) if row else None


def find_integration(connection: Connection, provider: str, external_id: str) -> Integration | None:
    """The studio's account with that id at the provider; needs the fleet's scope."""
    row = connection.execute(
        select(integration).filter_by(provider=provider, external_id=external_id).limit(1)
    ).one_or_none()
    return _integration(row) if row else None


def names_at_providers(connection: Connection, workspace_id: UUID) -> list[str]:
    """What a studio goes by at the providers: ids of its accounts, its number, its subscription and its customer."""
    accounts = select(integration.c.external_id, integration.c.phone_number_id, integration.c.phone_number)
    payments = select(subscription.c.stripe_subscription_id, subscription.c.stripe_customer_id)
    rows = [*connection.execute(accounts.filter_by(workspace_id=workspace_id))]
    rows += connection.execute(payments.filter_by(workspace_id=workspace_id))
    return [name for row in rows for name in row if name]


def find_integration_of_number(connection: Connection, provider: str, phone_number_id: str) -> Integration | None:
    """The studio's account whose number has that id at the provider; needs the fleet's scope."""
    row = connection.execute(
        select(integration).filter_by(provider=provider, phone_number_id=phone_number_id).limit(1)
    ).one_or_none()
    return _integration(row) if row else None


def studios_of_numbers(connection: Connection, provider: str, numbers: Collection[str]) -> dict[str, UUID]:
    """Whose the numbers with these ids at the provider are, without those of several; needs the fleet's scope."""
    query = select(integration.c.phone_number_id, integration.c.workspace_id).where(
        integration.c.provider == provider, integration.c.phone_number_id.in_(numbers)
    )
    rows = connection.execute(query).all()
    counts = Counter(row.phone_number_id for row in rows)
    return {row.phone_number_id: row.workspace_id for row in rows if counts[row.phone_number_id] == 1}


def _integration(row: Row[Any]) -> Integration:
    return Integration(
        workspace_id=row.workspace_id,
        provider=row.provider,
        state=row.state,
        external_id=row.external_id,
        phone_number=row.phone_number,
        phone_number_id=row.phone_number_id,
        sealed_credentials=bytes(row.sealed_credentials) if row.sealed_credentials else None,
        details=row.details,
    )
