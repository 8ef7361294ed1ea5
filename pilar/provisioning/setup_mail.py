"""The mail that asks a studio's owner for the one thing that only the owner can do. What belongs here: its words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Mail:
    """A mail to be sent."""

    subject: str
    text: str
    html: str


def compose(owner_name: str, studio_name: str, link: str) -> Mail:
    """The mail to the owner of a studio that waits for its WhatsApp account."""
    lines = (
        f"Hello {owner_name},",
        f"{studio_name} is almost ready: its phone number is there, and so is its assistant.",
        "One thing only you can do: allow us to answer for the studio on WhatsApp. It takes two minutes:",
    )
    end = "The link is yours alone; please don't pass it on."
    text = "\n\n".join((*lines, link, end))
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
    html = f'{paragraphs}<p><a href="{escape(link)}">Connect WhatsApp</a></p><p>{escape(end)}</p>'
    return Mail(subject=f"One step left for {studio_name}", text=text, html=html)
