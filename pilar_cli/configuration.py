"""Settings for the command line. What belongs here: reading them, a plain word about mistakes, passing them on."""

from __future__ import annotations

import os
from typing import Any

from pydantic import SecretStr, ValidationError

from pilar.errors import NotConfigured
from pilar.settings import Settings

PREFIX = "PILAR_"


def read_settings(**changes: Any) -> Settings:
    """The settings of the environment.

    Args:
        changes: values that replace those of the environment.

    Raises:
        NotConfigured: a value is not what it should be. The value itself is not repeated, it may be a secret.
    """
    try:
        return Settings(**changes)
    except ValidationError as error:
        wrong = "; ".join(f"{variable(str(one['loc'][0]))}: {one['msg']}" for one in error.errors(include_input=False))
        raise NotConfigured(f"Settings are not what they should be: {wrong}.") from None


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def is_given(field: str) -> bool:
    """Whether the environment says something about a setting."""
    return bool(os.environ.get(variable(field)))


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make a program read these very settings."""
    values = {field: getattr(settings, field) for field in Settings.model_fields}
    return {variable(field): _text(value) for field, value in values.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(_text(one) for one in value)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
