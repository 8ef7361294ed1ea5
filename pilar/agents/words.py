"""Times in words. What belongs here: how a moment and a week's opening hours are said in each language; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from itertools import groupby
from zoneinfo import ZoneInfo

from pilar.bookings.availability import Hours

_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "nl": ("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
}
_MONTHS = {
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "nl": (
        *("januari", "februari", "maart", "april", "mei", "juni"),
        *("juli", "augustus", "september", "oktober", "november", "december"),
    ),
    "de": (
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
}
_MOMENT = {
    "en": "{weekday} {day} {month} at {time}",
    "nl": "{weekday} {day} {month} om {time}",
    "de": "{weekday}, {day}. {month} um {time} Uhr",
}
_SHORT_MONTHS = {("nl", 3): "mrt"}
"""Those that are not their first three letters."""
_TO = {"en": "to", "nl": "t/m", "de": "bis"}
_NO_HOURS = {"en": "by appointment", "nl": "op afspraak", "de": "nach Vereinbarung"}


def moment_in_words(moment: datetime, zone: ZoneInfo, language: str) -> str:
    """A moment as one says it to somebody: «Tuesday 3 March at 09:00».

    Args:
        moment: an instant.
        zone: the studio's.
        language: in English where we don't speak it.
    """
    language = _spoken(language)
    local = moment.astimezone(zone)
    return _MOMENT[language].format(
        weekday=_DAYS[language][local.isoweekday() - 1],
        day=local.day,
        month=_MONTHS[language][local.month - 1],
        time=f"{local:%H:%M}",
    )


def slots_in_words(slots: Sequence[datetime], zone: ZoneInfo, language: str) -> str:
    """Times to choose from, a line each: «1) Tuesday 3 March at 09:00»."""
    return "\n".join(f"{number}) {moment_in_words(one, zone, language)}" for number, one in enumerate(slots, 1))


def moment_in_short(moment: datetime, zone: ZoneInfo, language: str) -> str:
    """A moment as it stands on a button, in at most 17 characters: «Tue 3 Mar 09:00»."""
    language = _spoken(language)
    local = moment.astimezone(zone)
    day = _DAYS[language][local.isoweekday() - 1][: 3 if language == "en" else 2]
    month = _SHORT_MONTHS.get((language, local.month)) or _MONTHS[language][local.month - 1][:3]
    return f"{day} {local.day} {month} {local:%H:%M}"


def hours_in_words(hours: Sequence[Hours], language: str) -> str:
    """A week's opening hours, with days that are alike told together: «Monday to Friday 09:00–20:00»."""
    language = _spoken(language)
    by_day: dict[int, list[str]] = {}
    for stretch in sorted(hours):
        by_day.setdefault(stretch.weekday, []).append(f"{_short(stretch.opens)}–{_short(stretch.closes)}")
    # Days that follow each other keep the same distance from their place in the row.
    runs = groupby(enumerate(by_day.items()), key=lambda item: (item[1][0] - item[0], item[1][1]))
    told = []
    for (_, times), run in runs:
        days = [weekday for _, (weekday, _) in run]
        told.append(f"{_span(days[0], days[-1], language)} {', '.join(times)}")
    return "; ".join(told) or _NO_HOURS[language]


def _span(first: int, last: int, language: str) -> str:
    names = _DAYS[language]
    if first == last:
        return names[first - 1]
    return f"{names[first - 1]} {_TO[language]} {names[last - 1]}"


def _short(moment: time) -> str:
    return f"{moment:%H:%M}"


def _spoken(language: str) -> str:
    return language if language in _DAYS else "en"
