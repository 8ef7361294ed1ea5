"""The tables behind the audit log's seal. What belongs here: their shape; how they are filled is `sealing.py`'s."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Boolean, CheckConstraint, Column, Integer, LargeBinary, Text, UniqueConstraint

from pilar.database.schema import Timestamp, fleet_table

audit_seal = fleet_table(
    "audit_seal",
    Column("segment", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … without a gap"),
    Column("from_position", BigInteger, nullable=False, comment="where the segment before it ends, and one"),
    Column("to_position", BigInteger, nullable=False),
    Column("entries", Integer, nullable=False, comment="how many entries it holds"),
    Column("content", LargeBinary, nullable=False, comment="SHA-256 over the hashes of the entries, by position"),
    Column("digests", LargeBinary, nullable=False, comment="per entry its position and 8 bytes of its hash: finds one"),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256 over the hash before it, the numbers, and content"),
    Column("sealed_at", Timestamp, nullable=False, comment="real time; part of the hash"),
    Column("forgotten_at", Timestamp, comment="real time; its entries were past their time and are gone since then"),
    UniqueConstraint("from_position"),
    UniqueConstraint("to_position"),
    comment="The audit log in segments, each hashed together with the hash of the one before it.",
)

audit_progress = fleet_table(
    "audit_progress",
    Column("single", Boolean, primary_key=True, comment="always true: there is one row"),
    Column("marked_position", BigInteger, comment="what may be sealed once those who were writing then have ended"),
    Column("marked_writers", ARRAY(Text), comment="the transactions that were writing then"),
    Column("verified_segment", BigInteger, nullable=False, comment="the last segment that was found whole"),
    Column("verified_hash", LargeBinary, comment="its hash, so that a chain made anew is noticed"),
    Column("verified_at", Timestamp, comment="real time"),
    CheckConstraint("single", name="single"),
    comment="How far the audit log's sealing and verifying have come.",
)
