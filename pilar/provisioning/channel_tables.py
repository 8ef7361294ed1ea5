"""The tables of how a studio gets its number and what WhatsApp wants for it. What belongs here: their shape.

A studio's job is older than the studio, so these rows carry its id without a foreign key to it.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Integer, Text, UniqueConstraint, Uuid

from pilar.database.schema import Timestamp, tenant_table, workspace_key

own_channel = tenant_table(
    "own_channel",
    workspace_key(),
    Column("brings", Text, nullable=False, comment="number, or account: a WhatsApp account with its number"),
    Column("phone_number", Text, comment="E.164; null: not known yet"),
    Column("told_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("told_at", Timestamp, nullable=False, comment="business time"),
    comment="What a studio brings along: none is bought for it, and closing gives none back; no row: nothing.",
)

code_request = tenant_table(
    "code_request",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("phone_number", Text, nullable=False, comment="E.164"),
    Column("method", Text, nullable=False, comment="sms or voice"),
    Column("asked_at", Timestamp, nullable=False, comment="business time"),
    Column("state", Text, nullable=False, comment="asked, sent or refused"),
    Column("tried", Integer, nullable=False, server_default="0", comment="codes that were told to Meta before"),
    comment="Codes that WhatsApp was asked to send: by owners to a telephone of theirs, by us to a number of ours.",
)

number_purchase = tenant_table(
    "number_purchase",
    workspace_key(),
    Column("day", Date, primary_key=True, comment="of business time, UTC"),
    Column("effect_key", Text, nullable=False, comment="of the effect that buys"),
    Column("intended_at", Timestamp, nullable=False, comment="business time"),
    Column("lost_at", Timestamp, comment="business time when it was found gone"),
    UniqueConstraint("workspace_id", "effect_key"),
    comment="Numbers that were bought or are about to be: one per studio and day at most.",
)

whatsapp_prerequisite = tenant_table(
    "whatsapp_prerequisite",
    workspace_key(),
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False, comment="met, pending, missing, rejected or unknown"),
    Column("blocks", Boolean, nullable=False, comment="whether the studio can't send before it is met"),
    Column("waits_on", Text, comment="studio, meta or us; null: on nobody"),
    Column("says", Text, nullable=False, comment="how it stands, as a sentence"),
    Column("link", Text, comment="where to act"),
    Column("read_at", Timestamp, nullable=False, comment="real time when WhatsApp said so"),
    comment="What WhatsApp wants of a studio before its number may write, one by one, as it stood last.",
)
