"""The month that the demonstration lets pass is long enough for a renewal to be paid, in whichever month it begins."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilar_cli.demo.day import A_MONTH
from pilar_cli.demo.outside import Outside
from pilar_cli.demo.story import REFUNDED_MINOR
from provider_sandbox.testing import running_sandbox, sandbox_config


@pytest.mark.parametrize("month", [1, 2, 4])
def test_a_part_of_the_last_payment_can_be_given_back(tmp_path: Path, month: int) -> None:
    begins = datetime(2027, month, 14, 2, 0, tzinfo=UTC)
    with running_sandbox(sandbox_config(tmp_path)) as sandbox, Outside(sandbox.base_url) as outside:
        sandbox.set_clock(real_anchor=datetime.now(UTC), business_anchor=begins)
        subscription = sandbox.sign_up()["subscription"]
        sandbox.set_clock(real_anchor=datetime.now(UTC), business_anchor=begins + A_MONTH)
        outside.refund(subscription, REFUNDED_MINOR)
        assert sandbox.effects()["stripe.refunded"] == 1
