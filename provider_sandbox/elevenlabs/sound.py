"""Sound. What belongs here: a valid MP3 of silence that lasts about as long as a text takes to be said."""

from __future__ import annotations

HEADER = bytes((0xFF, 0xFB, 0x90, 0x64))
"""MPEG 1, layer III, no checksum, 128 kbit/s, 44.1 kHz, joint stereo, without padding."""

FRAME_BYTES = 417
"""144 * bit rate / sample rate, rounded down. All that follows the header is zero: no bits for any sample, silence."""

FRAME_SECONDS = 1152 / 44_100
LETTERS_PER_SECOND = 15
LONGEST_SECONDS = 30


def silence(text: str) -> bytes:
    """A sound as long as the text, half a minute at most."""
    seconds = min(len(text) / LETTERS_PER_SECOND, LONGEST_SECONDS)
    frames = max(round(seconds / FRAME_SECONDS), 1)
    return (HEADER + bytes(FRAME_BYTES - len(HEADER))) * frames
