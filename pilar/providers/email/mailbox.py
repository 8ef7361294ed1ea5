"""What an address of somebody's mailbox may be. What belongs here: the pure rule.

What does not: whether anybody is there, which the mail server tells when it is written to. The rule is narrower than
RFC 5321: what no provider of mailboxes gives out (quotes, comments, addresses of hosts) is taken for a slip of the pen.
"""

from __future__ import annotations

import re

from pilar.errors import Invalid

LONGEST = 254
"""Characters of a whole address, by RFC 5321 (4.5.3.1.3, with its corrections)."""
_LONGEST_NAME = 64
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def mailbox(typed: str) -> str:
    """An address as it is kept: its domain in lower case and in ASCII, its name as it was written.

    Raises:
        Invalid: it is none.
    """
    name, _, domain = typed.strip().rpartition("@")
    try:
        domain = domain.lower().encode("idna").decode()
    except UnicodeError as error:
        raise _none() from error
    *labels, last = domain.split(".")
    fits = bool(_NAME.fullmatch(name)) and len(name) <= _LONGEST_NAME and len(name) + len(domain) < LONGEST
    if not (fits and labels and all(_LABEL.fullmatch(one) for one in (*labels, last)) and not last.isdecimal()):
        raise _none()
    return f"{name}@{domain}"


def _none() -> Invalid:
    return Invalid("The e-mail address is none that there can be: write it as name@domain.example.")
