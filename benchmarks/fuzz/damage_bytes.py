"""Damage to bytes: flipped bits, extreme numbers, cuts, copies and splices."""

from __future__ import annotations

import struct

import numpy as np

__all__ = ["damage_bytes", "damage_text"]

_NUMBERS = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**64 - 1,
)
_TEXTS = (
    *("", " ", "\t", "\n", "\r\n", "\0", "\ufeff", "\u202e", "\U0001f600", "é", "－１", "٣", "−1", "½"),
    *("nan", "inf", "-inf", "1e400", "-1", "0", "-0.0", "1e-400", "0x10", "0o7", "010", "1_0", "1e2", "1:30"),
    *("9" * 400, "x" * 4000, "null", "~", "true", "None", "[", "]", "{", "}", "[" * 200, "(", ")", "'", '"'),
    *(",", ";", ":", "|", "=", "&a", "*a", "!!python/name:os.system", "<<", "%", "$", "\\", "#", "- ", "? "),
    *("__class__", "../../etc/passwd", "/dev/zero", "/dev/full", "cifar10", "valid", "2147483648", "1e999"),
)


def damage_bytes(data: bytes, rng: np.random.Generator, other: bytes = b"", start: int = 0) -> bytes:
    """Return bytes with one to four faults at or after `start`; `other` is what splices come from."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if len(out) <= start:
            break
        at = int(rng.integers(start, len(out)))
        span = int(min(len(out) - at, 2 ** rng.integers(0, 10)))
        match int(rng.integers(9)):
            case 0:
                out[at] ^= 1 << int(rng.integers(8))
            case 1:
                out[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
            case 2:
                width, sign = int(rng.choice([2, 4, 8])), str(rng.choice(["<", ">"]))
                code = {2: "H", 4: "I", 8: "Q"}[width]
                number = _NUMBERS[int(rng.integers(len(_NUMBERS)))] % 2 ** (8 * width)
                out[at : at + width] = struct.pack(sign + code, number)
            case 3:
                del out[at:]
            case 4:
                del out[at : at + span]
            case 5:
                out[at:at] = out[at : at + span]
            case 6:
                out[at:at] = rng.bytes(span)
            case 7:
                out[at : at + span] = rng.bytes(span)
            case _:
                source = other or bytes(out)
                place = int(rng.integers(len(source)))
                out[at : at + span] = source[place : place + span]
    return bytes(out)


def damage_text(text: str, rng: np.random.Generator) -> str:
    """Return a text with one to four faults: nasty words, and parts that are lost, doubled, moved."""
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(text) + 1))
        span = int(2 ** rng.integers(0, 6))
        match int(rng.integers(8)):
            case 0 | 1:
                text = text[:at] + nasty(rng) + text[at + span * int(rng.integers(2)) :]
            case 2:
                text = text[:at] + text[at + span :]
            case 3:
                text = text[:at] + text[at : at + span] * 2 + text[at + span :]
            case 4:
                lines = text.splitlines(keepends=True)
                if lines:
                    first, second = rng.integers(len(lines), size=2).tolist()
                    lines[first] = lines[second]
                text = "".join(lines)
            case 5:
                words = text.split(" ")
                words[int(rng.integers(len(words)))] = nasty(rng)
                text = " ".join(words)
            case 6:
                digits = [i for i, letter in enumerate(text) if letter.isdigit()]
                if digits:
                    place = digits[int(rng.integers(len(digits)))]
                    text = text[:place] + nasty(rng) + text[place + 1 :]
            case _:
                text = text[:at] + chr(int(rng.integers(1, 0x3000))) + text[at + 1 :]
    return text


def nasty(rng: np.random.Generator) -> str:
    """Return a word that readers have stumbled over."""
    return _TEXTS[int(rng.integers(len(_TEXTS)))]
