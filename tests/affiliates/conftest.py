"""An affiliate in a running system, and what people do there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from pilar.affiliates.ledger import balance
from pilar.affiliates.links import Link, create_link, link_url
from pilar.affiliates.maturing import Refreshed, refresh_commissions
from pilar.affiliates.overview import LedgerView, ledger_of
from pilar.affiliates.registration import register
from pilar.database.engine import Scope
from tests.fixtures.system import System


@dataclass
class Referrals:
    """One affiliate, and visitors who come by their link."""

    system: System
    affiliate_id: UUID
    link: Link

    def click(self) -> str:
        """Follow the link; return the click's id, as the checkout page gets it."""
        address = link_url(self.system.public_url, self.link.code)
        answer = httpx.get(address, trust_env=False, headers={"referer": "https://blog.example/best-studios"})
        assert answer.status_code == 303
        return parse_qs(urlsplit(answer.headers["location"]).query)["click"][0]

    def sign_up(self, **changes: Any) -> dict[str, Any]:
        """Click and pay."""
        return self.system.sandbox.sign_up(**{"client_reference_id": self.click(), **changes})

    def forward(self, days: float) -> None:
        """Let business time pass."""
        self.system.business.advance(timedelta(days=days))

    def refresh(self) -> Refreshed:
        """Do for all studios what is done for them every so often."""
        with self.system.database.transaction(Scope.fleet()) as connection:
            studios = [row[0] for row in connection.execute(text("select workspace_id from workspace"))]
            return refresh_commissions(connection, self.system.app.clocks, studios)

    def balances(self) -> Mapping[str, int]:
        """What is in each account, in cents."""
        with self.system.database.transaction(Scope.fleet()) as connection:
            found = balance(connection, self.affiliate_id)
        return {account.value: amount for (_currency, account), amount in found.items()}

    def ledger(self) -> LedgerView:
        with self.system.database.transaction(Scope.fleet()) as connection:
            return ledger_of(connection, self.affiliate_id)

    def assert_promises_hold(self) -> None:
        now = {"real_now": self.system.clock.now(), "business_now": self.system.business.now()}
        with self.system.database.transaction(Scope.fleet()) as connection:
            for invariant in self.system.app.invariants:
                wanted = {name: value for name, value in now.items() if f":{name}" in invariant.query}
                assert connection.execute(text(invariant.query), wanted).all() == [], invariant.promise


@pytest.fixture
def referrals(system: System) -> Referrals:
    clocks = system.app.clocks
    with system.database.transaction(Scope.fleet()) as connection:
        affiliate = register(connection, clocks, name="Bram Blogger", email="bram@blog.example", actor="system")
        link = create_link(connection, clocks, affiliate, actor="system", campaign="spring")
    return Referrals(system, affiliate, link)
