"""When a lead has had enough, and when they want more again. What belongs here: the pure rule, for many leads at once.

Who does not answer is written to less often, step by step, and in the end not at all until they write: after one last
question. Each answer brings them a step back, never beyond what they chose. Answers are anything that they write,
however late: somebody who writes has not had enough of us.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

FREQUENCIES = ("daily", "weekly", "bi-weekly")
"""From often to seldom; each is a step."""

SLOWS_AFTER = (3, 5)
"""A step down for each of these numbers of unanswered nudges in a row."""
PAUSES_AFTER = 7
"""After so many nobody is written to, but for the last question."""

SLOWED, RAISED, PAUSED, RESUMED = "slowed", "raised", "paused", "resumed"
CHOSEN = "chosen"
"""The lead chose anew, which ends whatever had been decided; not decided here."""

LAST_QUESTION = "last_question"
"""The type of the one nudge to a lead who is paused."""

WEEKLY_CAP = "weekly_cap"
KEPT_BACK = {
    SLOWED: "They have not answered lately, so they are written to less often.",
    PAUSED: "They have not answered for long: nothing goes until they write.",
    WEEKLY_CAP: "They have had as many this week as the studio allows.",
}
"""Why a plan makes no message of what is due."""


def decide(leads: pd.DataFrame) -> pd.DataFrame:
    """Decide which leads are written to at another pace from now on.

    Args:
        leads: one row per lead: `frequency` (chosen), `slowed_to` and `paused_at` (as decided last, or nothing),
            `unanswered` (nudges in a row), `last_inbound_at` (when they last wrote, or nothing) and `pace_at` (of the
            last decision, or nothing).

    Returns:
        Of those leads for whom something changes, with their index: `decision`, `slowed_to` (None: as chosen) and
        `frequency` (from then on).

    Raises:
        ValueError: a lead has chosen a frequency that there is not.
    """
    if unknown := set(leads["frequency"]) - set(FREQUENCIES):
        raise ValueError(f"there is no pace {', '.join(sorted(map(str, unknown)))}: use {', '.join(FREQUENCIES)}")
    steps = {name: step for step, name in enumerate(FREQUENCIES)}
    chosen = leads["frequency"].map(steps).astype(int)
    now = leads["slowed_to"].map(steps).fillna(-1).astype(int).clip(lower=chosen)
    unanswered, paused = leads["unanswered"].astype(int), leads["paused_at"].notna()
    wanted = chosen + sum((unanswered >= bound).astype(int) for bound in SLOWS_AFTER)
    wanted = wanted.clip(upper=len(FREQUENCIES) - 1)
    wrote = _moments(leads["last_inbound_at"])
    raises = (unanswered == 0) & (wrote > _moments(leads["pace_at"])) & (now > chosen)
    decision = pd.Series(None, index=leads.index, dtype=object)
    # In this order, of which the first counts.
    decision[~paused & (wanted > now)] = SLOWED
    decision[~paused & raises] = RAISED
    decision[~paused & (unanswered >= PAUSES_AFTER)] = PAUSED
    decision[paused & (unanswered < PAUSES_AFTER)] = RESUMED
    then = now.where(decision != SLOWED, wanted)
    then = then.where(~decision.isin([RAISED, RESUMED]), (now - 1).clip(lower=chosen))
    changed = decision.notna()
    names = dict(enumerate(FREQUENCIES))
    return pd.DataFrame(
        {
            "decision": decision[changed],
            "slowed_to": then.map(names).where(then > chosen, None)[changed],
            "frequency": then.map(names)[changed],
        }
    )


def in_words(decision: str, frequency: str, unanswered: int) -> str:
    """A decision as a sentence, with its reason."""
    nudges = "1 nudge" if unanswered == 1 else f"{unanswered} nudges"
    return {
        SLOWED: f"Written to {frequency}: {nudges} in a row were not answered.",
        RAISED: f"Written to {frequency} again: the lead has answered.",
        PAUSED: f"Paused after one last question: {nudges} in a row were not answered.",
        RESUMED: f"Written to {frequency} again: the lead has written.",
        CHOSEN: f"Written to {frequency}, as was chosen anew.",
    }[decision]


def _moments(column: pd.Series[datetime]) -> pd.Series[pd.Timestamp]:
    return pd.to_datetime(column, utc=True)
