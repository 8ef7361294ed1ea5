"""The deliveries that came in, to be looked at: found by time, by what they name and by what became of them.

What belongs here: noting what deliveries name, and questions about them. What does not: storing them (`inbox.py`) and
having them worked on again (`working_again.py`).

However many there are, a question costs little: it begins where an index leads (an id, a number, what is not done), or
it looks at so many of the newest deliveries and says from where to go on. So a page may have fewer entries than it was
asked for, and another page behind it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote_plus
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

from pilar.backplane.facts import Kind
from pilar.backplane.handlers import Delivery, Work
from pilar.backplane.subjects import as_subject, digest, subjects
from pilar.backplane.work import ALIVE, HandlerState, Status, handler_state
from pilar.database.engine import raw
from pilar.errors import NotFound

LOOKED_AT = 20_000
"""How many deliveries one question reads, where no index leads to those that are wanted."""
LOOKED_AT_FOR_STATUS = 2_000
"""The same, where for each of them its attempts are looked up."""

_COUNTED_AT_ONCE = 1_000

Place = tuple[datetime, int]
"""Where a delivery stands in the order of lists: when it came, and its position."""


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries; what is None does not matter.

    Attributes:
        named: that name one of these: a studio's own ids, say.
        since: that came at this moment (real time) or later.
        until: that came before this moment.
        status: in one status, as a whole.
        search: the provider's id of it, or an id, a phone number or an address that it names. What a delivery names is
            noted when it is first worked on.
        says: whose body holds this, letter by letter.
        ids: these.
    """

    provider: str | None = None
    named: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    status: Status | None = None
    search: str | None = None
    says: str | None = None
    ids: Sequence[UUID] | None = None


@dataclass(frozen=True)
class ReceivedDelivery:
    """A delivery and what became of it.

    Attributes:
        bytes: how long its body is.
        attempts: of the handler that needed most, since it was last given to work.
        finished_at: when the last of its handlers ended; None while one has not, or needs help.
        error: what the last attempt said that failed, masked.
        handlers: each by itself; `result` says what came of its parts, and what was passed over.
    """

    id: UUID
    position: int
    provider: str
    external_id: str
    workspace_id: UUID | None
    headers: Mapping[str, str]
    received_at: datetime
    bytes: int
    status: Status
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    error_code: str | None
    error: str | None
    handlers: tuple[HandlerState, ...]

    @property
    def place(self) -> Place:
        """Where it stands in a list: a page goes on below it."""
        return self.received_at, self.position


@dataclass(frozen=True)
class Page:
    """Some of the deliveries; `below` is where to go on, None at the end."""

    items: list[ReceivedDelivery]
    below: Place | None


class Found(NamedTuple):
    """Where deliveries are that match."""

    places: list[Place]
    below: Place | None


@dataclass(frozen=True)
class Replayed:
    """That somebody had a delivery worked on again."""

    replayed_at: datetime
    replayed_by: str


_NOTE = """
insert into inbox_subject (subject, position)
select * from unnest(%(subject)b::bigint[], %(position)b::bigint[]) on conflict do nothing
"""

_CONDITIONS = """
      (cast(:provider as text) is null or i.provider = :provider)
  and (cast(:since as timestamptz) is null or i.received_at >= :since)
  and (cast(:until as timestamptz) is null or i.received_at < :until)
  and (cast(:received_at as timestamptz) is null or (i.received_at, i.position) < (:received_at, :position))
"""
_SAYS = """
  (cast(:needles as bytea[]) is null or exists (select from unnest(cast(:needles as bytea[])) n
                                                where position(n in i.body) > 0))
"""

# Each way to begin gives positions. `offset 0` keeps the look-ups by position: joined as a whole, the planner might
# read every delivery there is.
_BY_INDEX = """
with recursive known(provider) as (
  select min(provider) from inbox
  union all select (select min(i.provider) from inbox i where i.provider > k.provider)
  from known k where k.provider is not null
), chosen as materialized ({chosen}), hits as materialized (
  select i.position, i.received_at from chosen c
  cross join lateral (select * from inbox i where i.position = c.position offset 0) i
  where {conditions} and {says}{status}
)
select position, received_at from hits order by received_at desc, position desc limit :limit
"""
_BEGINNINGS = {
    "ids": "select position from inbox where id = any(:ids)",
    "search": "select position from inbox_subject where subject = :subject"
    " union select i.position from known k cross join lateral"
    " (select position from inbox i where i.provider = k.provider and i.external_id = :search) i",
    "named": "select distinct position from inbox_subject where subject = any(:named)",
    "alive": "select distinct position from live_work where kind = :kind and status = :status",
}

_BY_TIME = """
with looked as materialized (
  select i.position, i.received_at, i.provider, {says} as says from inbox i
  where (cast(:since as timestamptz) is null or i.received_at >= :since)
    and (cast(:until as timestamptz) is null or i.received_at < :until)
    and (cast(:received_at as timestamptz) is null or (i.received_at, i.position) < (:received_at, :position))
  order by i.received_at desc, i.position desc limit :looked_at
), hits as materialized (
  select i.position, i.received_at from looked i
  where i.says and (cast(:provider as text) is null or i.provider = :provider){status}
  order by i.received_at desc, i.position desc limit :limit
)
select position, received_at, true as is_hit, 0 as looked from hits
union all (select position, received_at, false, (select count(*) from looked)
           from looked order by received_at, position limit 1)
order by is_hit desc, received_at desc, position desc
"""
_STATUS = " and (select s.status from inbox_state s where s.position = i.position) = :status"

_STATES = """
select * from inbox_state where position = any(:positions) order by received_at desc, position desc
"""


def note_subjects(connection: Connection, works: Iterable[Work[Any]]) -> None:
    """Note what deliveries name, in the transaction that settles them; what is noted already stays.

    Args:
        connection: that transaction.
        works: what was worked on; whatever is no delivery is passed over.
    """
    noted = sorted(
        (digest(subject), work.position)
        for work in works
        if work.kind is Kind.DELIVERY and isinstance(work.content, Delivery)
        for subject in subjects(work.content.body)
    )
    if noted:
        columns = {"subject": [one[0] for one in noted], "position": [one[1] for one in noted]}
        raw(connection).execute(_NOTE, columns)


def list_deliveries(
    connection: Connection,
    filter: DeliveryFilter,  # noqa: A002 - the word of the field
    *,
    below: Place | None = None,
    limit: int = 50,
) -> Page:
    """Deliveries with what became of them, the newest first.

    Args:
        connection: under the fleet's scope.
        filter: which.
        below: below this place: `below` of the page before.
        limit: how many at most; there may be fewer, and more behind them.
    """
    found = find_places(connection, filter, below=below, limit=limit)
    positions = [position for _, position in found.places]
    rows = connection.execute(text(_STATES), {"positions": positions}).mappings().all() if positions else []
    return Page([_delivery(row) for row in rows], found.below)


def find_places(
    connection: Connection,
    filter: DeliveryFilter,  # noqa: A002 - the word of the field
    *,
    below: Place | None = None,
    limit: int = 50,
) -> Found:
    """Where the deliveries are that match; as `list_deliveries`."""
    beginning = _beginning(filter)
    values = _values(filter, below)
    if beginning is not None:
        # What the beginning asked for holds already; all others are asked of what it found.
        conditions = [_CONDITIONS, *(_also(name) for name in _asked(filter) if name != beginning)]
        statement = _BY_INDEX.format(
            chosen=_BEGINNINGS[beginning],
            conditions=" and ".join(conditions),
            says=_SAYS,
            status="" if filter.status is None or beginning == "alive" else _STATUS,
        )
        rows = connection.execute(text(statement), {**values, "limit": limit + 1}).all()
        places = [(row.received_at, row.position) for row in rows]
        return Found(places[:limit], places[limit - 1] if len(places) > limit else None)
    looked_at = limit + 1
    if filter.status is not None:
        looked_at = LOOKED_AT_FOR_STATUS
    elif filter.provider is not None or filter.says is not None:
        looked_at = LOOKED_AT
    statement = _BY_TIME.format(says=_SAYS, status="" if filter.status is None else _STATUS)
    rows = connection.execute(text(statement), {**values, "limit": limit + 1, "looked_at": looked_at}).all()
    places = [(row.received_at, row.position) for row in rows if row.is_hit]
    if len(places) > limit:
        return Found(places[:limit], places[limit - 1])
    last = next((row for row in rows if not row.is_hit), None)
    has_looked_at_all = last is None or last.looked < looked_at
    return Found(places, None if has_looked_at_all or last is None else (last.received_at, last.position))


def count_deliveries(
    connection: Connection,
    filter: DeliveryFilter,  # noqa: A002 - the word of the field
    *,
    most: int,
    below: Place | None = None,
    questions: int | None = None,
) -> tuple[int, Place | None]:
    """How many deliveries match.

    Args:
        connection: under the fleet's scope.
        filter: which.
        most: stop where so many are found.
        below: only those below this place.
        questions: ask so many questions at most, each of which looks at a bounded number; None: until the end.

    Returns:
        How many were found, and where to go on, None where these are all.
    """
    count, asked = 0, 0
    while True:
        found = find_places(connection, filter, below=below, limit=_COUNTED_AT_ONCE)
        count, asked, below = count + len(found.places), asked + 1, found.below
        if below is None or count >= most or asked == questions:
            return count, below


def find_delivery(connection: Connection, delivery_id: UUID) -> ReceivedDelivery:
    """The delivery by that id; raise `NotFound` where there is none (any more)."""
    row = connection.execute(text("select * from inbox_state where id = :id"), {"id": delivery_id}).mappings().first()
    if row is None:
        raise NotFound(f"There is no delivery with the id {delivery_id}; `pilar doctor` says how long they are kept.")
    return _delivery(row)


def body_of(connection: Connection, delivery_id: UUID) -> bytes:
    """A delivery's body, byte by byte; raise `NotFound` as `find_delivery` does."""
    found = connection.execute(text("select body from inbox where id = :id"), {"id": delivery_id}).scalar_one_or_none()
    if found is None:
        raise NotFound(f"There is no delivery with the id {delivery_id}; `pilar doctor` says how long they are kept.")
    return bytes(found)


def replays_of(connection: Connection, position: int) -> list[Replayed]:
    """When somebody had a delivery worked on again, the newest first."""
    statement = text("select * from inbox_replay where position = :position order by replayed_at desc")
    return [Replayed(row.replayed_at, row.replayed_by) for row in connection.execute(statement, {"position": position})]


def known_providers(connection: Connection) -> list[str]:
    """Who has ever delivered something that is still kept."""
    statement = text(
        "with recursive known(provider) as (select min(provider) from inbox union all"
        " select (select min(i.provider) from inbox i where i.provider > k.provider) from known k"
        " where k.provider is not null) select provider from known where provider is not null"
    )
    return list(connection.scalars(statement))


def _asked(filter: DeliveryFilter) -> list[str]:  # noqa: A002 - the word of the field
    """The beginnings that a filter allows, those that probably lead to the fewest first."""
    asked = [name for name in ("ids", "search", "named") if getattr(filter, name) is not None]
    return [*asked, "alive"] if filter.status in ALIVE else asked


def _beginning(filter: DeliveryFilter) -> str | None:  # noqa: A002 - the word of the field
    return next(iter(_asked(filter)), None)


def _also(name: str) -> str:
    if name == "alive":
        return "exists (select from live_work w where w.position = i.position and w.status = :status)"
    if name == "named":
        return "exists (select from inbox_subject s where s.subject = any(:named) and s.position = i.position)"
    if name == "search":
        return (
            "(i.external_id = :search or exists (select from inbox_subject s where s.subject = :subject"
            " and s.position = i.position))"
        )
    return "i.id = any(:ids)"


def _values(filter: DeliveryFilter, below: Place | None) -> dict[str, Any]:  # noqa: A002 - the word of the field
    received_at, position = below or (None, None)
    search = filter.search.strip() if filter.search is not None else None
    return {
        "provider": filter.provider,
        "named": None if filter.named is None else [digest(as_subject(one)) for one in filter.named],
        "since": filter.since,
        "until": filter.until,
        "status": filter.status,
        "search": search,
        "subject": None if search is None else digest(as_subject(search)),
        "needles": None if filter.says is None else _needles(filter.says),
        "ids": None if filter.ids is None else list(filter.ids),
        "kind": Kind.DELIVERY.value,
        "received_at": received_at,
        "position": position,
    }


def _needles(says: str) -> list[bytes]:
    """A text as a body may have it: as it is, escaped as in JSON, or as in a form."""
    spellings = (says, json.dumps(says)[1:-1], json.dumps(says, ensure_ascii=False)[1:-1], quote_plus(says))
    return [spelling.encode() for spelling in dict.fromkeys(spellings)]


def _delivery(row: RowMapping) -> ReceivedDelivery:
    handlers = tuple(map(handler_state, row["handlers"]))
    return ReceivedDelivery(**{**row, "status": Status(row["status"]), "handlers": handlers})


def narrowed(filter: DeliveryFilter, until: datetime) -> DeliveryFilter:  # noqa: A002 - the word of the field
    """The same without what comes from that moment on, so that whoever goes through them comes to an end."""
    return filter if filter.until and filter.until <= until else replace(filter, until=until)
