"""The SQL of who a lead is: aliases, calls, erasures, and who is not to be written to again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pilar.ids import new_id
from pilar.messaging.people_tables import (
    lead_alias,
    lead_call,
    lead_erasure,
    lead_suppression,
    person_key,
    person_stop,
)
from pilar.messaging.tables import lead

# Whoever adds a person and whoever forbids writing to one can't pass each other unseen.
_PERSONS = "select pg_advisory_xact_lock{how}(hashtextextended('messaging:persons', 0))"


def among_persons(connection: Connection, *, alone: bool = False) -> None:
    """Hold the order of persons until the transaction ends: many may add some, who forbids is alone."""
    connection.execute(text(_PERSONS.format(how="" if alone else "_shared")))


# Who they are


def candidates(connection: Connection, workspace_id: UUID, ids: Collection[str], phone: str | None) -> list[Row[Any]]:
    """The leads that are known by one of these ids at the provider, or by this number; held, the oldest first."""
    known = lead.c.provider_user_id.in_(list(ids))
    query = select(lead).where(lead.c.workspace_id == workspace_id)
    query = query.where(or_(known, lead.c.phone == phone) if phone else known)
    return list(connection.execute(query.order_by(lead.c.id).with_for_update()))


def add_lead(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Write a new lead; False where somebody else did at this very moment."""
    statement = insert(lead).values({"tags": [], "properties": {}, **values}).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def drop_lead(connection: Connection, workspace_id: UUID, lead_id: UUID) -> None:
    """Delete a lead's row: nothing may name it any more."""
    connection.execute(delete(lead).filter_by(workspace_id=workspace_id, id=lead_id))


def leads_by_phone(connection: Connection, phone: str) -> list[Row[Any]]:
    """Everybody with this number, over all studios, in an order that everybody locks in; held."""
    query = select(lead.c.workspace_id, lead.c.id).where(lead.c.phone == phone)
    return list(connection.execute(query.order_by(lead.c.workspace_id, lead.c.id).with_for_update()))


def add_alias(connection: Connection, values: Mapping[str, Any]) -> None:
    """Have an old id answer with the lead who stayed, and so what led to the old one."""
    w, old, stays = values["workspace_id"], values["old_id"], values["lead_id"]
    connection.execute(update(lead_alias).filter_by(workspace_id=w, lead_id=old).values(lead_id=stays))
    connection.execute(insert(lead_alias).values(dict(values)))


def aliases_of(connection: Connection, workspace_id: UUID, lead_id: UUID) -> list[Row[Any]]:
    """Which leads were merged into this one, the oldest first."""
    query = select(lead_alias).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return list(connection.execute(query.order_by(lead_alias.c.merged_at)))


# A lead without a number and one of the same name may be one person, and so may two who gave the same address.
_ADDRESS = "lower(coalesce({who}.email, {who}.properties ->> 'email'))"
_PROPOSALS = """
select a.id as first_id, b.id as second_id, a.name, b.name as other_name,
       case when {of_a} = {of_b}
            then 'Both gave the same mail address.'
            else 'They have the same name, and one of them has no number.' end as reason
from lead a join lead b on b.workspace_id = a.workspace_id and b.id > a.id
  and ({of_a} = {of_b}
       or (lower(btrim(a.name)) = lower(btrim(b.name)) and length(btrim(a.name)) > 2
           and (a.phone is null or b.phone is null)))
where a.workspace_id = :w and a.lifecycle not in ('erased', 'staff') and b.lifecycle not in ('erased', 'staff')
  and (cast(:lead as uuid) is null or :lead in (a.id, b.id))
order by a.id, b.id limit :n
""".format(of_a=_ADDRESS.format(who="a"), of_b=_ADDRESS.format(who="b"))


def likely_pairs(connection: Connection, workspace_id: UUID, lead_id: UUID | None, limit: int) -> list[Row[Any]]:
    """Leads who may be one person, and why; of one lead, or of all."""
    return list(connection.execute(text(_PROPOSALS), {"w": workspace_id, "lead": lead_id, "n": limit}))


# Calls


def note_call(connection: Connection, workspace_id: UUID, lead_id: UUID, values: Mapping[str, Any]) -> bool:
    """Keep a call, or what is new of it: it never goes back from its end; return whether anything is new."""
    fresh = insert(lead_call).values(workspace_id=workspace_id, id=new_id(), lead_id=lead_id, **values)
    put = fresh.excluded
    statement = fresh.on_conflict_do_update(
        index_elements=["workspace_id", "provider_call_id"],
        set_={
            "state": put.state,
            "began_at": func.least(lead_call.c.began_at, put.began_at),
            "ended_at": put.ended_at,
            "seconds": put.seconds,
        },
        where=(lead_call.c.state == "ringing") & (put.state != "ringing"),
    )
    return connection.execute(statement).rowcount == 1


# Erasures


def ask_to_erase(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Keep that somebody asked for an erasure; False where it was asked for before."""
    return connection.execute(insert(lead_erasure).values(dict(values)).on_conflict_do_nothing()).rowcount == 1


def find_erasure(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any] | None:
    """Whether a lead's erasure was asked for, and when it was done."""
    return connection.execute(select(lead_erasure).filter_by(workspace_id=workspace_id, lead_id=lead_id)).one_or_none()


def end_erasure(connection: Connection, workspace_id: UUID, lead_id: UUID, now: datetime) -> None:
    """Keep that it is done."""
    connection.execute(update(lead_erasure).filter_by(workspace_id=workspace_id, lead_id=lead_id).values(erased_at=now))


# Who is not to be written to again


def suppress(connection: Connection, workspace_id: UUID, digests: Sequence[bytes], now: datetime) -> None:
    """Keep that these were erased; a later erasure counts."""
    for digest in digests:
        fresh = insert(lead_suppression).values(workspace_id=workspace_id, digest=digest, erased_at=now)
        connection.execute(
            fresh.on_conflict_do_update(index_elements=["workspace_id", "digest"], set_={"erased_at": now})
        )


def suppressed(connection: Connection, workspace_id: UUID, digests: Sequence[bytes]) -> dict[bytes, datetime]:
    """Which of these were erased, and when."""
    query = select(lead_suppression.c.digest, lead_suppression.c.erased_at).filter_by(workspace_id=workspace_id)
    rows = connection.execute(query.where(lead_suppression.c.digest.in_(digests)))
    return {bytes(row.digest): row.erased_at for row in rows}


def release(connection: Connection, workspace_id: UUID, digests: Sequence[bytes]) -> None:
    """Forget that these were erased: they themselves agreed anew."""
    statement = delete(lead_suppression).filter_by(workspace_id=workspace_id)
    connection.execute(statement.where(lead_suppression.c.digest.in_(digests)))


def stop_everywhere(connection: Connection, digests: Sequence[bytes], values: Mapping[str, Any]) -> None:
    """Keep that these want no messages from any studio."""
    for digest in digests:
        connection.execute(insert(person_stop).values(digest=digest, **values).on_conflict_do_nothing())


def stopped(connection: Connection, digests: Sequence[bytes]) -> Row[Any] | None:
    """The first of these that wants no messages from any studio."""
    query = select(person_stop).where(person_stop.c.digest.in_(digests)).order_by(person_stop.c.stopped_at).limit(1)
    return connection.execute(query).one_or_none()


def stopped_among(connection: Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these want no messages from any studio."""
    query = select(person_stop.c.digest).where(person_stop.c.digest.in_(digests))
    return {bytes(digest) for digest in connection.execute(query).scalars()}


def find_person_key(connection: Connection) -> bytes | None:
    """The sealed key of digests, once there is one."""
    found = connection.execute(select(person_key.c.sealed_key)).scalar_one_or_none()
    return bytes(found) if found is not None else None


def ensure_person_key(connection: Connection, sealed: bytes) -> bytes:
    """Keep the key of digests, unless there is one; return the one that is kept."""
    values = {"id": 1, "sealed_key": sealed, "created_at": datetime.now(UTC)}
    connection.execute(insert(person_key).values(values).on_conflict_do_nothing())
    return bytes(connection.execute(select(person_key.c.sealed_key)).scalar_one())


def tags_of(connection: Connection, workspace_id: UUID) -> list[str]:
    """Every tag that a studio uses, in order."""
    statement = text(
        "select distinct t from lead, jsonb_array_elements_text(tags) t where workspace_id = :w order by t limit 200"
    )
    return list(connection.execute(statement, {"w": workspace_id}).scalars())
