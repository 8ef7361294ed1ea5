"""Texts as rules compare them. What belongs here: making spellings of the same words alike; pure."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """Lower case without accents, outer punctuation and doubled spaces."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join(plain.replace("’", "'").split()).strip(" .,!?;:\"'()[]*_-")
