"""Reading a file of rows. What belongs here: its lines, columns and fields, of whatever it is; no I/O.

A refusal says what was wrong and what to do, and repeats nothing of the row.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import phonenumbers

from pilar.errors import Invalid

_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class Refusal:
    """A row that can't be used, and why."""

    line: int
    reason: str


class UnreadableFile(Invalid):
    """The file can't be read."""

    code = "unreadable_file"


def decoded(parts: Iterable[bytes]) -> Iterator[str]:
    """The lines of a file that comes in parts, each with its end.

    Raises:
        UnreadableFile: it is not UTF-8.
    """
    decoder, rest = codecs.getincrementaldecoder("utf-8-sig")(), ""
    try:
        for part in parts:
            *lines, rest = (rest + decoder.decode(part)).split("\n")
            yield from (f"{line}\n" for line in lines)
        rest += decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise UnreadableFile("The file is not UTF-8: save it as “CSV UTF-8” and send it again.") from error
    if rest:
        yield rest


def rows(
    lines: Iterator[str], columns: Sequence[str], needed: Sequence[str]
) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Line and fields of each row after the head; fields are None where there are more or fewer than columns.

    Args:
        lines: of the file.
        columns: those that are known; others are passed over.
        needed: those that the head must name.

    Raises:
        UnreadableFile: the head names no columns, or not those that are needed, or a row can't be told apart.
    """
    head = next(lines, "")
    separator = max(_SEPARATORS, key=head.count)
    names = [_column(name) for name in next(csv.reader([head], delimiter=separator), [])]
    missing = [name for name in needed if name not in names]
    if missing:
        raise UnreadableFile(
            f"The first line must name the columns; missing: {', '.join(missing)}. Known: {', '.join(columns)}."
        )
    known = [name for name in names if name in columns]
    if len(set(known)) != len(known):
        raise UnreadableFile("The first line names a column twice.")
    reader, line = csv.reader(lines, delimiter=separator, strict=True), 2
    try:
        for fields in reader:
            begins, line = line, reader.line_num + 2
            if not any(field.strip() for field in fields):
                continue
            yield begins, dict(zip(names, fields, strict=True)) if len(fields) == len(names) else None
    except csv.Error as error:
        raise UnreadableFile(f"Line {line} can't be told apart into columns ({error}): check its quotes.") from error


def told_in(line: int, fields: dict[str, str] | None, columns: Sequence[str]) -> dict[str, str] | Refusal:
    """What a row tells in each column, empty where it tells nothing; or that nobody can say which is which."""
    if fields is None:
        return Refusal(line, "It has more or fewer fields than the first line: check its quotes and separators.")
    told = {name: " ".join(fields.get(name, "").split()) for name in columns}
    if any("\x00" in value for value in told.values()):
        return Refusal(line, "It holds a character that no text has: save the file anew.")
    return told


def e164(text: str, country: str) -> str | None:
    """A number in E.164, if there can be such; one without a calling code is read as of that country."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _column(name: str) -> str:
    return "_".join(name.strip().lower().replace("-", " ").split())
