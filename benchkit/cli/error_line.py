"""The one line in which an error leaves the program: printable, and as long as somebody reads."""

from __future__ import annotations

import re
from collections.abc import Iterable

from benchkit.base.errors import MOST_SHOWN, clipped

_LONGEST = 4_000
"""Characters of a line: the longest of ours lists the columns of a table."""

_WORD = re.compile(rf"\S{{{2 * MOST_SHOWN},}}")


def error_line(message: str, words: Iterable[str] = ()) -> str:
    """Return a message as one printable line.

    Errors quote what they were given through `benchkit.base.errors.shown`. What comes from other libraries
    does not, so whatever stands here of a long word of the command line is cut as well, and so is any text
    without spaces that no path and no name of ours is as long as.

    Parameters
    ----------
    message : Text of the error.
    words : Words of the command line.
    """
    for word in words:
        for part in (word, word.partition("=")[2]):
            if len(part) > MOST_SHOWN:
                message = message.replace(part, clipped(part))
    line = " ".join(message.split())
    line = _WORD.sub(lambda found: clipped(found[0]), line)
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
