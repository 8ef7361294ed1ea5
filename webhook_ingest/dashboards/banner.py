"""What keeps messages back, on top of every page that it concerns. What belongs here: finding it out, in one query."""

from __future__ import annotations

from uuid import UUID

from starlette.requests import Request

from pilar.app import App
from pilar.database.engine import Scope
from pilar.messaging import controls
from pilar.messaging.controls import Control
from pilar.security.principals import Kind


def what_is_in_force(request: Request) -> list[Control] | None:
    """The controls over the studio that a page is about or, on the founder's other pages, over the fleet.

    None where a page says nothing of it: nobody is signed in, or it is about no studio and not the founder's.
    """
    caller = getattr(request.state, "caller", None)
    if caller is None or caller.session is None:
        return None
    studio = request.path_params.get("workspace_id")
    if studio is None and caller.principal.kind is not Kind.ADMIN:
        return None
    app: App = request.app.state.pilar
    with app.database.transaction(Scope.fleet()) as connection:
        if studio is None:
            return controls.in_force(connection, None)
        return controls.over_studio(connection, UUID(str(studio)))
