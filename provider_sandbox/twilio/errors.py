"""Twilio's errors. What belongs here: their shape and the ones the sandbox gives."""

from __future__ import annotations

from typing import Any


class TwilioError(Exception):
    """An error answer in the shape of Twilio's 2010 API."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }


def unauthenticated() -> TwilioError:
    """Wrong credentials, or the account behind them (or its parent) is not active."""
    return TwilioError(401, 20003, "Authenticate")


def not_active() -> TwilioError:
    """The parent may see a suspended or closed subaccount, and not use it."""
    return TwilioError(403, 20005, "Account not active")


def not_found(path: str) -> TwilioError:
    """Nothing is there, or it is another account's."""
    return TwilioError(404, 20404, f"The requested resource {path} was not found")


def not_allowed(path: str) -> TwilioError:
    """The path exists and has no such method."""
    return TwilioError(405, 20004, f"Method not allowed on {path}")


def missing(name: str, code: int = 21201) -> TwilioError:
    """A parameter that the call needs is not there."""
    return TwilioError(400, code, f"A '{name}' is required.")
