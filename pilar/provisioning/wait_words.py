"""What a studio's owner is written about a wait. What belongs here: the words of reminders and of the end of a wait."""

from __future__ import annotations

from html import escape

from pilar.provisioning.setup_mail import Mail

PERMISSION = "everything is ready but your permission to answer on WhatsApp."


def reminder(owner_name: str, studio_name: str, link: str, days_left: int, what: str = PERMISSION) -> Mail:
    """The mail that reminds an owner of the step that only the owner can take.

    Args:
        owner_name: whom it is for.
        studio_name: whose set-up waits.
        link: the set-up link.
        days_left: after so many days we stop asking.
        what: for what it waits, as the end of a sentence.
    """
    lines = (
        f"Hello {owner_name},",
        f"{studio_name} still waits for you: {what}",
        f"It takes three minutes. We keep the place for {_days(days_left)}:",
    )
    return _mail(f"{studio_name} still waits for you", lines, link, _button(what))


def expired(owner_name: str, studio_name: str, link: str, *, by_owner: bool) -> Mail:
    """The mail that tells an owner that the set-up has come to a halt, and how it goes on.

    Args:
        owner_name: whom it is for.
        studio_name: whose set-up it is.
        link: the set-up link.
        by_owner: whether it waited on them; else on somebody else, about whom they can do nothing.
    """
    hello = f"Hello {owner_name},"
    if by_owner:
        halt = f"We have not heard from you, so the set-up of {studio_name} has come to a halt. Nothing is lost."
        lines = (hello, halt, "It goes on as soon as you give your permission here:")
    else:
        halt = f"The set-up of {studio_name} has come to a halt, since we wait for somebody else. Nothing is lost."
        lines = (hello, halt, "We know about it and see to it; there is nothing that you have to do. How it stands:")
    button = "Connect WhatsApp" if by_owner else "How it stands"
    return _mail(f"The set-up of {studio_name} has come to a halt", lines, link, button)


def short(studio_name: str, link: str, what: str = PERMISSION) -> str:
    """The same reminder as an SMS."""
    waits_for = "your permission to answer on WhatsApp" if what == PERMISSION else "you, so that it can open"
    return f"{studio_name[:60]} still waits for {waits_for}: {link} (STOP ends this.)"


def _button(what: str) -> str:
    return "Connect WhatsApp" if what == PERMISSION else "Go on"


def _mail(subject: str, lines: tuple[str, ...], link: str, button: str = "Connect WhatsApp") -> Mail:
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return Mail(
        subject=subject,
        text="\n\n".join((*lines, link)),
        html=f'{paragraphs}<p><a href="{escape(link)}">{button}</a></p>',
    )


def _days(count: int) -> str:
    return "one more day" if count <= 1 else f"{count} more days"
