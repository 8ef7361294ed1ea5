"""What a message costs: which price counts, and setting the founder's own as the shell would."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pilar.messaging.rate_card import Price, Rate, as_minor, billed_as, parts_of_sms, price_of
from pilar_cli.main import app

DAY = date(2026, 3, 2)
OWN = (
    Rate("whatsapp", "marketing", "*", date(2026, 1, 1), 7, "EUR", "founder"),
    Rate("whatsapp", "marketing", "BE", date(2026, 1, 1), 5, "EUR", "founder"),
    Rate("whatsapp", "marketing", "BE", date(2026, 3, 2), 6, "USD", "founder"),
    Rate("whatsapp", "marketing", "BE", date(2026, 3, 3), 9, "EUR", "founder"),
)


@pytest.mark.parametrize(
    ("rates", "country", "expected"),
    [
        (OWN, "BE", Price(6, "USD")),
        (OWN, "FR", Price(7, "EUR")),
        (OWN, None, Price(7, "EUR")),
        (OWN, "NL", Price(140_000, "EUR")),  # the country's own, though the house's, before every other's
        ((), "FR", Price(100_000, "EUR")),
    ],
)
def test_the_nearest_and_newest_price_counts(rates: tuple[Rate, ...], country: str | None, expected: Price) -> None:
    assert price_of(rates, "whatsapp", "marketing", country, DAY) == expected


def test_words_in_the_window_are_service_and_a_long_sms_is_several() -> None:
    assert billed_as("whatsapp", "marketing", "text") == "service"
    assert billed_as("whatsapp", "service", "template") == "utility"
    assert billed_as("sms", "marketing", "text") == "marketing"
    assert [parts_of_sms("a" * n) for n in (160, 161, 306, 307)] == [1, 2, 2, 3]
    assert [parts_of_sms("é" * n) for n in (70, 71)] == [1, 2]
    assert price_of((), "sms", "service", "US", DAY, parts=3) == Price(36_000, "EUR")
    assert price_of((), "whatsapp", "service", "NL", date(2026, 9, 30)).micro == 0
    assert price_of((), "whatsapp", "service", "NL", date(2026, 10, 1)).micro > 0
    assert [as_minor(micro) for micro in (0, 4_999, 5_000, 140_000, -5_000)] == [0, 0, 1, 14, -1]


def test_the_founder_sets_a_price_and_hears_what_is_wrong_with_another(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)
    call = CliRunner()
    for price in ("0.2", "0.1131"):  # the later one of the same day replaces the earlier
        done = call.invoke(
            app, ["rates", "set", "whatsapp", "marketing", price, "--country", "de", "--from", "2026-10-01"]
        )
        assert done.exit_code == 0, done.output
    shown = json.loads(call.invoke(app, ["rates", "show", "--json"]).stdout)["rates"]
    assert [(one["country"], one["micro"]) for one in shown if one["set_by"]] == [("DE", 113_100)]
    for wrong, word in (
        (["sms", "marketing", "0.00000001"], "decimals"),
        (["sms", "marketing", "cheap"], "number"),
        (["sms", "marketing", "1", "--country", "Germany"], "two letters"),
        (["sms", "marketing", "1", "--from", "May"], "day"),
        (["sms", "marketing", "1000"], "millionths"),
    ):
        refused = call.invoke(app, ["rates", "set", *wrong])
        assert refused.exit_code != 0
        assert word in refused.output
