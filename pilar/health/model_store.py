"""Which models studios' agents name. What belongs here: the SQL; asking them is `model_check.py`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text

_NAMED = """
select provider, model from (
  select distinct on (c.workspace_id)
         c.document->'agent'->>'provider' as provider, c.document->'agent'->>'model' as model
  from workspace_configuration c join workspace w on w.workspace_id = c.workspace_id
  where w.state <> 'closed' and (:all or c.workspace_id = any(:studios))
  order by c.workspace_id, c.version desc
) named
where provider = any(:providers) and model is not null
group by provider, model order by count(*) desc, provider, model limit :most
"""


def named_models(
    connection: Connection, studios: Sequence[UUID] | None, providers: Sequence[str], *, most: int
) -> list[tuple[str, str]]:
    """Provider and name of the models in the configurations in force, the most named first.

    Args:
        connection: a transaction in the fleet's scope.
        studios: whose; None: all.
        providers: of these alone.
        most: so many at most.
    """
    values = {"all": studios is None, "studios": list(studios or ()), "providers": list(providers), "most": most}
    return [(row.provider, row.model) for row in connection.execute(text(_NAMED), values)]
