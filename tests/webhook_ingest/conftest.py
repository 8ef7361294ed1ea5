"""The web service on a fresh database, people who may use it, and studios to look at."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from pilar.affiliates.registration import register
from pilar.app import App, build_app
from pilar.clocks import Clocks, ManualClock
from pilar.coach.defaults import training_logic
from pilar.crypto import new_key
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.operator.projection import refresh_fleet, refresh_studios
from pilar.provisioning import store
from pilar.security import api_tokens, sessions
from pilar.security.principals import EVERYTHING, Kind
from pilar.settings import Settings
from pilar.tokens import new_token, token_hash
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan
from webhook_ingest.app import create_app

ORIGIN = "http://testserver"
PARENT = "AC" + "0" * 32
SECRETS = {
    "stripe_webhook_secret": "whsec_new,whsec_old",
    "twilio_account_sid": PARENT,
    "twilio_auth_token": "parent-token",
    "meta_app_id": "4711",
    "meta_app_secret": "meta-secret",
    "meta_config_id": "815",
    "meta_verify_token": "shake-hands",
}


@dataclass
class Studio:
    workspace_id: UUID
    job_id: UUID
    name: str
    setup_token: str
    owner: UUID
    member: UUID


@dataclass
class House:
    """Builds what a test needs, through the product's own functions."""

    app: App
    real: ManualClock

    def person(self, email: str, *, is_founder: bool = False, password: str | None = None) -> UUID:
        now = self.real.now()
        with self.app.database.transaction(Scope.fleet()) as connection:
            found = workspaces.ensure_person(
                connection,
                email=email,
                name=email.partition("@")[0].title(),
                phone=None,
                now=now,
                is_founder=is_founder,
            )
            if password:
                sessions.set_password(connection, found, password, actor="system", now=now)
        return found

    def studio(self, name: str) -> Studio:
        app, now = self.app, self.app.clocks.business.now()
        token, slug = new_token("setup"), name.lower().replace(" ", "-")
        job = store.NewJob(
            id=new_id(),
            workspace_id=new_id(),
            stripe_subscription_id=f"sub_{slug}",
            stripe_customer_id=f"cus_{slug}",
            correlation_id=new_id(),
            setup_token_hash=token_hash(token),
            sealed_setup_token=app.box.seal(token),
        )
        owner, member = self.person(f"owner@{slug}.test"), self.person(f"member@{slug}.test")
        with app.database.transaction(Scope.fleet()) as connection:
            store.create_job(connection, job, app.steps, now)
            workspaces.upsert_workspace(
                connection,
                {
                    "workspace_id": job.workspace_id,
                    "name": name,
                    "state": "provisioning",
                    "plan": "PRO",
                    "country": "NL",
                    "time_zone": "Europe/Amsterdam",
                    "created_at": now,
                },
            )
            workspaces.ensure_membership(connection, job.workspace_id, owner, "owner", now)
            workspaces.ensure_membership(connection, job.workspace_id, member, "member", now)
            document = StudioConfiguration(
                plan=Plan.PRO,
                studio=StudioProfile(name=name, country="NL", time_zone="Europe/Amsterdam", language="nl"),
                coaching=training_logic(),
            )
            workspaces.save_configuration(
                connection, job.workspace_id, document, changed_by="system", note="the start", now=now
            )
            self.complete(connection, job.id, "customer_validation", {"studio_name": name})
            refresh_studios(connection, app.clocks, [job.workspace_id])
        return Studio(job.workspace_id, job.id, name, token, owner, member)

    def affiliate(self, name: str, email: str | None = None) -> UUID:
        with self.app.database.transaction(Scope.fleet()) as connection:
            address = email or f"{name.lower()}@blog.test"
            return register(connection, self.app.clocks, name=name, email=address, actor="system")

    def complete(self, connection: Any, job_id: UUID, step: str, result: dict[str, Any] | None = None) -> None:
        now = self.real.now()
        values = {"status": "completed", "attempts": 1, "started_at": now, "completed_at": now, "result": result or {}}
        store.set_step(connection, job_id, step, values)

    def step(self, studio: Studio, name: str, job_state: str, **values: Any) -> None:
        """Bring a studio to a step: those before it are done."""
        with self.app.database.transaction(Scope.fleet()) as connection:
            names = [step.name for step in self.app.steps]
            for before in names[1 : names.index(name)]:
                self.complete(connection, studio.job_id, before)
            store.set_step(connection, studio.job_id, name, values)
            store.set_job(connection, studio.job_id, {"state": job_state})
            refresh_studios(connection, self.app.clocks, [studio.workspace_id])

    def refresh(self, *studios: Studio) -> None:
        """Have the pages show what was done to these studios, and all incidents."""
        with self.app.database.transaction(Scope.fleet()) as connection:
            refresh_studios(connection, self.app.clocks, [studio.workspace_id for studio in studios])
            refresh_fleet(connection, self.app.clocks)

    def token(self, kind: Kind, workspace_id: UUID | None = None, **others: Any) -> api_tokens.NewToken:
        with self.app.database.transaction(Scope.fleet()) as connection:
            return api_tokens.create(
                connection,
                name="test",
                kind=kind,
                actor="system",
                now=self.real.now(),
                workspace_id=workspace_id,
                **{"scopes": EVERYTHING, **others},
            )

    def bearer(self, kind: Kind, workspace_id: UUID | None = None, **others: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(kind, workspace_id, **others).plain}"}

    def sign_in(self, client: TestClient, person_id: UUID) -> str:
        """Sign a browser in by link; return the token that its forms carry."""
        with self.app.database.transaction(Scope.fleet()) as connection:
            link = sessions.make_sign_in_link(connection, person_id, actor="system", now=self.real.now())
        assert client.post(f"/sign-in/link/{link}", follow_redirects=False).status_code == 303
        with self.app.database.transaction(Scope.fleet()) as connection:
            return sessions.resolve(connection, client.cookies["pilar_session"], self.real.now()).csrf_secret


@pytest.fixture
def settings(request: pytest.FixtureRequest, closed_port: int, tmp_path: Path) -> dict[str, Any]:
    """The settings of a test's system, without Dagster; a test may change some by indirect parameter."""
    nowhere = f"http://127.0.0.1:{closed_port}"
    return {
        "secret_keys": new_key(), "public_url": ORIGIN, "dagster_url": nowhere, "home": tmp_path / "home", **SECRETS,
        **getattr(request, "param", {}),
    }  # fmt: skip


@pytest.fixture
def real() -> ManualClock:
    """Real time that stands still: limits count in windows of it. In the future, so that cookies are not past."""
    return ManualClock(datetime(2090, 1, 1, 9, 0, 30, tzinfo=UTC))


@pytest.fixture
def pilar(database: Database, settings: dict[str, Any], real: ManualClock) -> Iterator[App]:
    clocks = Clocks(business=ManualClock(datetime(2027, 3, 1, 9, tzinfo=UTC)), real=real)
    app = build_app(Settings(**settings), database=database, clocks=clocks)
    yield app
    app.close()


@pytest.fixture
def house(pilar: App, real: ManualClock) -> House:
    return House(pilar, real)


@pytest.fixture
def client(pilar: App) -> Iterator[TestClient]:
    with TestClient(create_app(pilar), base_url=ORIGIN) as opened:
        yield opened


@pytest.fixture
def browser(client: TestClient) -> TestClient:
    client.headers.update({"accept": "text/html", "origin": ORIGIN})
    return client


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine where nobody answers: bound for as long as the test runs, and never listening."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
