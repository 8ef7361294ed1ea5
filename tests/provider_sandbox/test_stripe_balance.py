"""Whatever happens to money, the balances are the sum of what happened, to the cent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pilar.clocks import ManualClock
from provider_sandbox.config import Retry
from provider_sandbox.state import State
from provider_sandbox.stripe import accounts, cards, ledger, money, payments, transfers
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.tasks import Bell, TaskQueue

START = datetime(2026, 3, 1, tzinfo=UTC)
amounts = st.integers(1, 20_000)
steps = st.one_of(
    st.tuples(st.just("charge"), amounts, st.booleans()),
    st.tuples(
        st.sampled_from(["refund", "dispute", "transfer", "transfer_out_of", "reverse"]), amounts, st.integers(0, 3)
    ),
    st.tuples(st.sampled_from(["won", "lost"]), st.just(0), st.integers(0, 3)),
    st.tuples(st.sampled_from(["top_up", "payout"]), amounts, st.booleans()),
    st.tuples(st.just("wait"), st.integers(1, 4), st.just(0)),
)


class Books:
    """The sandbox's Stripe, and beside it what each step should have done to whom."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.account = desk.save(accounts.new_account(None, "NL", "express", ["transfers"], {}, desk.at))["id"]
        accounts.submit(desk, desk.existing("account", self.account), name="Bo", iban="NL00SAND0123456789")
        self.platform = self.connected = 0
        self.charges: list[str] = []
        self.transfers: list[str] = []

    def charge(self, amount: int, at_once: bool) -> None:
        card = cards.TOKENS["pm_card_bypassPending"] if at_once else cards.GOOD
        intent = payments.new_intent(self.desk, amount, "eur", None, None)
        self.charges.append(payments.attempt(self.desk, intent, payments.new_card(self.desk, card))["id"])
        self.platform += amount - ledger.fee_of(amount)

    def refund(self, amount: int, which: int) -> None:
        self.platform -= money.refund(self.desk, pick(self.charges, which), amount=amount)["amount"]

    def dispute(self, amount: int, which: int) -> None:
        charge = pick(self.charges, which)
        known = self.desk.tx.find("stripe.dispute", owner=charge)
        about = money.dispute(self.desk, charge, status="needs_response", amount=amount)
        if not known:
            self.platform -= about["amount"] + ledger.DISPUTE_FEE
        elif known[-1]["status"] == "won":
            self.platform -= about["amount"]

    def settle(self, status: str, which: int) -> None:
        charge = pick(self.charges, which)
        known = self.desk.tx.find("stripe.dispute", owner=charge)
        if known:
            about = money.dispute(self.desk, charge, status=status)
            self.platform += about["amount"] * ((status == "won") - (known[-1]["status"] == "won"))

    def transfer(self, amount: int, source: str | None = None) -> None:
        sent = transfers.transfer(self.desk, self.account, amount, "eur", source=source)
        self.transfers.append(sent["id"])
        self.platform -= amount
        self.connected += amount

    def reverse(self, amount: int, which: int) -> None:
        transfers.reverse(self.desk, self.desk.existing("transfer", pick(self.transfers, which)), amount)
        self.platform += amount
        self.connected -= amount

    def payout(self, amount: int, ours: bool) -> None:
        self.desk.account = None if ours else self.account
        try:
            transfers.pay_out(self.desk, amount, "eur", automatic=False)
        finally:
            self.desk.account = None
        if ours:
            self.platform -= amount
        else:
            self.connected -= amount

    def wait(self, days: int) -> None:
        self.desk.at += days * 86400
        due = self.desk.tx.run("select id from appointment where kind = ? and at <= ?", ledger.AVAILABLE, self.desk.at)
        for row in due:
            ledger.becomes_available(self.desk, row["id"])
            self.desk.cancel(ledger.AVAILABLE, row["id"])

    def step(self, name: str, amount: int, which: int) -> None:
        plain: dict[str, Callable[[], None]] = {
            "charge": lambda: self.charge(amount, bool(which)),
            "refund": lambda: self.refund(amount, which),
            "dispute": lambda: self.dispute(amount, which),
            "won": lambda: self.settle("won", which),
            "lost": lambda: self.settle("lost", which),
            "transfer": lambda: self.transfer(amount),
            "transfer_out_of": lambda: self.transfer(amount, pick(self.charges, which)),
            "reverse": lambda: self.reverse(amount, which),
            "payout": lambda: self.payout(amount, bool(which)),
            "wait": lambda: self.wait(amount),
        }
        if name == "top_up":
            transfers.top_up(self.desk, amount, "eur")
            self.platform += amount
        else:
            plain[name]()


def pick(known: list[str], which: int) -> str:
    return known[which % len(known)] if known else "none_yet"


@contextmanager
def books() -> Iterator[Books]:
    with TemporaryDirectory() as place:
        clock, bell = ManualClock(START), Bell()
        state = State(Path(place), clock, bell.ring)
        queue = TaskQueue("delivery", state, bell, clock, Retry(), 1)
        with state.transaction() as tx:
            yield Books(Desk(tx, queue))
        state.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=20))
def test_no_sequence_of_movements_breaks_the_sum(life: list[tuple[str, int, int]]):
    with books() as kept:
        for name, amount, which in life:
            before = (kept.platform, kept.connected)
            try:
                kept.step(name, amount, which)
            except StripeError:
                # A refusal leaves everything as it was.
                assert (kept.platform, kept.connected) == before
            for account, expected in ((None, kept.platform), (kept.account, kept.connected)):
                balance = ledger.balance(kept.desk.tx, account)
                assert balance["available"][0]["amount"] + balance["pending"][0]["amount"] == expected
                entries = kept.desk.tx.find("stripe.balance_transaction", owner=account or "platform")
                assert sum(one["net"] for one in entries) == expected
            assert ledger.available(kept.desk.tx, kept.account, "eur") >= 0
        for charge in kept.charges:
            body = kept.desk.existing("charge", charge)
            refunds = kept.desk.tx.find("stripe.refund", owner=charge)
            assert sum(one["amount"] for one in refunds) == body["amount_refunded"] <= body["amount"]


def test_every_movement_is_one_transaction_that_names_its_source():
    with books() as kept:
        for step in (
            ("charge", 10_000, 1),
            ("dispute", 4_000, 0),
            ("won", 0, 0),
            ("refund", 500, 0),
            ("transfer", 700, 0),
        ):
            kept.step(*step)
        entries = kept.desk.tx.find("stripe.balance_transaction", owner="platform")
        assert [(one["type"], one["amount"], one["fee"], one["net"]) for one in entries] == [
            ("charge", 10_000, 175, 9_825),
            ("adjustment", -4_000, 2_000, -6_000),
            ("adjustment", 4_000, 0, 4_000),
            ("refund", -500, 0, -500),
            ("transfer", -700, 0, -700),
        ]
        assert len({one["source"] for one in entries}) == 4
