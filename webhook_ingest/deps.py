"""What endpoints are given. What belongs here: the system and the caller, as FastAPI's dependencies; no rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from starlette.requests import HTTPConnection

from pilar.app import App
from pilar.database.engine import Scope
from pilar.errors import Forbidden, Invalid
from pilar.security.principals import FLEET_WIDE, Kind, Principal
from pilar.security.sessions import LiveSession


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and from where."""

    principal: Principal
    ip: str
    session: LiveSession | None = None
    studios: frozenset[UUID] = frozenset()
    """On routes about whichever studio is the caller's: those that they may use this route for."""

    @property
    def is_in_charge(self) -> bool:
        """Whether they are in charge of the whole fleet, and not of a studio."""
        return self.principal.kind in FLEET_WIDE

    def acts_for(self, named: UUID | None) -> UUID | None:
        """The studio that a request is for, on a route about the caller's own.

        Args:
            named: the one that the request names, if it does.

        Returns:
            The studio; None: the fleet, which only those in charge of it act for.

        Raises:
            Forbidden: it names a studio that is none of theirs.
            Invalid: they have several studios, and it names none.
        """
        if self.is_in_charge:
            return named
        if named is not None:
            if named not in self.studios:
                raise Forbidden
            return named
        if len(self.studios) != 1:
            raise Invalid("You have several studios: name one as `workspace_id`.")
        return next(iter(self.studios))

    def acts_for_studio(self, named: UUID | None) -> UUID:
        """As `acts_for`, where a studio is needed; raise `Invalid` where those in charge of the fleet name none."""
        studio = self.acts_for(named)
        if studio is None:
            raise Invalid("Name the studio as `workspace_id`.")
        return studio

    @property
    def csrf_token(self) -> str:
        """What the forms of this caller's pages carry."""
        return self.session.csrf_secret if self.session else ""

    def leads(self, workspace_id: UUID) -> bool:
        """Whether they may act for a studio, and not only look."""
        principal = self.principal
        return principal.kind in FLEET_WIDE or principal.roles.get(workspace_id) == Kind.OWNER

    def scope_of_affiliate(self, affiliate_id: UUID) -> Scope:
        """What they see of an affiliate whom they may see: the founder all there is, affiliates their own rows."""
        return Scope.fleet() if self.principal.kind in FLEET_WIDE else Scope.affiliate(affiliate_id)


def the_system(connection: HTTPConnection) -> App:
    """The system that this web service is the door of."""
    system: App = connection.app.state.pilar
    return system


def the_caller(connection: HTTPConnection) -> Caller:
    """Who was let in by the guard."""
    caller: Caller = connection.state.caller
    return caller


System = Annotated[App, Depends(the_system)]
Asked = Annotated[Caller, Depends(the_caller)]
