"""Headers that every answer carries. What belongs here: which, and why; who adds them is `shell.py`."""

from __future__ import annotations

from collections.abc import Mapping

_CONTENT = "default-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
"""Scripts, styles, images, fonts and connections follow the default: our own files, nothing inline, no `eval`.

The set-up page leads to Meta by a plain link, so forms need no address but ours.
"""

_NOT_FRAMED = "frame-ancestors 'none'"
_POWERFUL_FEATURES = ", ".join(
    f"{feature}=()" for feature in ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics")
)


def security_headers(*, https: bool, foreign_page: bool) -> Mapping[str, str]:
    """The headers by name.

    Args:
        https: whether the public address is; only then may browsers be told to insist on it.
        foreign_page: whether the page is somebody else's that we pass on: it brings its own content policy, and
            two policies both apply.
    """
    headers = {
        "content-security-policy": _NOT_FRAMED if foreign_page else _CONTENT,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        # Not `no-referrer`: it would make the browser send `Origin: null` with our own forms.
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    if not foreign_page:
        headers["permissions-policy"] = _POWERFUL_FEATURES
    if https:
        headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    return headers
