"""Pictures, sounds and files. What belongs here: keeping what is uploaded or sent in, by Meta's sizes and lifetimes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
import zlib
from datetime import timedelta

from provider_sandbox.meta import errors
from provider_sandbox.meta.accounts import new_node_id
from provider_sandbox.state import Body, Transaction

KIND = "meta.media"
LIFE = timedelta(days=30)
"""How long an upload is kept, in business time."""
URL_LIFE = 300
"""How many real seconds an address is good for."""
PICTURE_SIZE = (96, 72)
"""Width and height of a picture that somebody sends, in points."""
_BANDS = (b"\x8e\xc5\xe8", b"\xf2\xd0\x7a", b"\x6f\xa8\x63")
_MEGABYTE = 1024 * 1024
_IMAGES = ("image/jpeg", "image/png")
_SOUNDS = ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg")
_FILES = (
    *("application/pdf", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"),
    *(
        f"application/vnd.openxmlformats-officedocument.{name}"
        for name in ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation")
    ),
    "text/plain",
)
SIZES: dict[str, tuple[tuple[str, ...], int]] = {
    "image": (_IMAGES, 5 * _MEGABYTE),
    "audio": (_SOUNDS, 16 * _MEGABYTE),
    "video": (("video/3gpp", "video/mp4"), 16 * _MEGABYTE),
    "sticker": (("image/webp",), _MEGABYTE // 2),
    "document": ((*_FILES, *_IMAGES), 100 * _MEGABYTE),
}
"""By a message's type: what may be in it, and how many bytes of that."""


def upload(tx: Transaction, phone: Body, mime_type: str, content: bytes) -> Body:
    """Keep an upload; raise 100 for a type that WhatsApp doesn't take, and for nothing or too much of it."""
    mime = mime_type.partition(";")[0].strip()
    largest = max((size for mimes, size in SIZES.values() if mime in mimes), default=None)
    if largest is None:
        raise errors.invalid(f"Param file must be a file with one of the supported types; {mime or 'none'} is not one.")
    if not content:
        raise errors.invalid("Param file is empty.")
    # A picture may be a document too, so that the bound of its own kind is looked at when it is sent.
    if len(content) > largest:
        raise errors.invalid(f"Param file is too large: {len(content)} bytes where {largest} are allowed.")
    media = keep(tx, phone, mime_type, content)
    tx.effect("meta.media_uploaded", phone["number"])
    return media


def keep(tx: Transaction, phone: Body, mime_type: str, content: bytes) -> Body:
    """Keep a file for a number, however it came."""
    identity = new_node_id()
    body = {
        "id": identity,
        "waba": phone["waba"],
        "phone_id": phone["id"],
        "mime_type": mime_type,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "content": base64.b64encode(content).decode(),
        "until": (tx.business_now() + LIFE).isoformat(),
        "secret": secrets.token_hex(16),
    }
    return tx.put(KIND, identity, body, owner=phone["id"])


def usable(tx: Transaction, phone: Body, identity: str, kind: str) -> None:
    """Check that an upload can be sent as this type; raise 131009 where it can't."""
    media = tx.get(KIND, identity)
    if media is None or media["phone_id"] != phone["id"] or expired(tx, media):
        raise errors.refused(131009, f"{kind}['id'] is no media of this number, or no longer one.")
    mimes, largest = SIZES[kind]
    if media["mime_type"].partition(";")[0].strip() not in mimes:
        raise errors.refused(131009, f"{media['mime_type']} can't be sent as {kind}.")
    if media["size"] > largest:
        raise errors.refused(131009, f"{kind} may have {largest} bytes, and this one has {media['size']}.")


def expired(tx: Transaction, media: Body) -> bool:
    """Whether an upload's thirty days are over."""
    return bool(tx.business_now().isoformat() > media["until"])


def shown(tx: Transaction, media: Body, base: str) -> Body:
    """What Meta tells of a file, with an address that is good for five minutes.

    Args:
        tx: the open transaction.
        media: the file.
        base: the address of the Graph API, with its version and a slash at the end.
    """
    until = int(tx.now().timestamp()) + URL_LIFE
    query = f"mid={media['id']}&ext={until}&hash={_seal(media, until)}"
    return {
        "messaging_product": "whatsapp",
        "url": f"{base}whatsapp_business/attachments?{query}",
        "mime_type": media["mime_type"],
        "sha256": media["sha256"],
        "file_size": str(media["size"]),
        "id": media["id"],
    }


def opened(tx: Transaction, media: Body | None, ext: str, seal: str) -> bytes | None:
    """The bytes behind an address; None where it is not one of ours or no longer good."""
    if media is None or not ext.isdigit() or int(ext) < tx.now().timestamp() or expired(tx, media):
        return None
    if not hmac.compare_digest(seal.encode(), _seal(media, int(ext)).encode()):
        return None
    return base64.b64decode(media["content"])


def picture() -> bytes:
    """A small picture of three bands of colour, as PNG: enough to be seen on a telephone."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", *PICTURE_SIZE, 8, 2, 0, 0, 0)
    width, height = PICTURE_SIZE
    # Each line of points begins with the number of its filter: none.
    points = zlib.compress(b"".join((b"\x00" + band * width) * (height // len(_BANDS)) for band in _BANDS))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", points) + chunk(b"IEND", b"")


def _seal(media: Body, until: int) -> str:
    return hmac.new(media["secret"].encode(), f"{media['id']} {until}".encode(), hashlib.sha256).hexdigest()
