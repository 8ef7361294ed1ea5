"""What a reading of a number makes of how it stands."""

from __future__ import annotations

import pytest

from pilar.messaging.number_rules import judge
from pilar.messaging.number_store import NumberStanding
from pilar.providers.whatsapp.standing import NO_PAYMENT, AccountThere, NumberThere, Trouble
from tests.fixtures.work import START


@pytest.mark.parametrize(
    ("codes", "restricted"), [((NO_PAYMENT,), None), ((NO_PAYMENT, 141014), "DISABLED"), ((), "DISABLED")]
)
def test_an_account_that_is_blocked_for_want_of_payment_alone_is_not_shut_out(
    codes: tuple[int, ...], restricted: str | None
) -> None:
    number = NumberThere("CONNECTED", "APPROVED", "GREEN", 250, is_limit_known=True, is_upgraded=False)
    account = AccountThere("APPROVED", "verified", "BLOCKED", tuple(Trouble(code, "So it is.", None) for code in codes))
    assert judge(NumberStanding(), number, account, START)["restricted"] == restricted
