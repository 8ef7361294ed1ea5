"""The data dictionary that is in the repository is the one that the tables make, and it leaves nothing unsaid."""

from __future__ import annotations

from pathlib import Path

from pilar.database.schema import metadata
from pilar_cli.dictionary import PLACE, text

ROOT = Path(__file__).parents[2]


def test_the_written_dictionary_is_up_to_date() -> None:
    assert (ROOT / PLACE).read_text() == text(), "run `pilar dictionary`"


def test_every_table_says_what_it_is_and_every_column_for_analysts_what_it_means() -> None:
    text()
    for table in metadata.tables.values():
        assert table.comment, table.fullname
        if table.schema == "analytics":
            assert [column.name for column in table.columns if not column.comment] == [], table.fullname
