"""Files that are written whole or not at all, and YAML that is read as it stands."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from benchkit.spaces import InputError

__all__ = ["read_yaml", "replacing", "unfinished", "write_figure", "write_text"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` when the block succeeds.

    On any failure the temporary file is removed and `path` is as it was.

    Raises
    ------
    InputError : the disk is full, or the place cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # where the folder is no folder there is nothing to remove
            temporary.unlink()


def unfinished(path: Path) -> bool:
    """Return whether a file is what `replacing` leaves behind where its process is killed."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_figure(figure: Any, out: Path, formats: Sequence[str] = ("pdf", "png")) -> list[Path]:
    """Write a matplotlib figure in each format, and return the paths.

    Parameters
    ----------
    out : their name; a suffix that is a format is cut off. Its folder is made.
    formats : of `benchkit.analysis.style.FORMATS`.

    Raises
    ------
    InputError : the place cannot be written to, or PGF without TeX.
    """
    from matplotlib.backends.backend_pgf import LatexError

    from benchkit.analysis.style import FORMATS, save_figure

    stem = out.with_suffix("") if out.suffix.removeprefix(".") in FORMATS else out
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        return save_figure(figure, stem, formats)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and "pgf" in formats:  # TeX ended before it was asked
            raise InputError(f"PGF needs a TeX installation with xelatex: it ended: {error}") from error
        place = stem.with_name(f"{stem.name}.{formats[0]}")
        raise InputError(f"cannot write {place}: {error.strerror or error}") from error
    except (RuntimeError, LatexError, ValueError) as error:
        if "pgf" not in formats:
            raise
        if isinstance(error, ValueError):
            if not isinstance(error.__cause__, LatexError):
                raise
            reason = " ".join(str(error.__cause__).split())
            raise InputError(f"TeX cannot set a text of this figure: {reason}") from error
        reason = " ".join(str(error).split())  # with what TeX said, it has many lines
        raise InputError(f"PGF needs a TeX installation with xelatex: {reason}") from error


_BOOLEAN = "tag:yaml.org,2002:bool"


class _UniqueKeys(yaml.SafeLoader):
    """YAML whose mappings name no key twice, and where only true and false are booleans.

    PyYAML would keep the last of two equal keys in silence, and reads on, off, yes and no as YAML 1.1 does.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_UniqueKeys.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path, what: str = "file") -> Any:
    """Return what a YAML file says.

    Parameters
    ----------
    what : what the file should be, for the error.

    Raises
    ------
    InputError : the file cannot be read, is not YAML, or names a key twice; one line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except OSError as error:
        raise InputError(f"cannot read {what} {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {what} {path}: not UTF-8 text") from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is an impossible date, such as 2024-13-45
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
