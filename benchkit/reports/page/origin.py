"""Says where the numbers of a folder come from: versions, hashes, files as they are kept, and commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, read_text
from benchkit.base.json_text import read_json as read_document
from benchkit.base.shapes import check_shape

_MOST_TEXT = 16 * MEGABYTE


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return what the page calls the folders, in its commands too.

    A relative path stays as it was given; of an absolute one, which may tell more than a reader should know,
    there are the last parts that tell the folders apart.

    Raises
    ------
    InputError : no folder, or one that is given twice.
    """
    paths = [folder.resolve() for folder in folders]
    if not paths:
        raise InputError("no folder was given: name that of a finished study")
    if len(set(paths)) < len(paths):
        raise InputError("a folder is given twice: name each once")
    ends: list[str] = []
    for parts in range(1, max(len(path.parts) for path in paths) + 1):
        ends = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(ends)) == len(ends):
            break
    return [
        end if folder.is_absolute() else folder.as_posix() for folder, end in zip(folders, ends, strict=True)
    ]


def command(*words: object) -> str:
    """Return a command line, each word quoted where a shell would take it apart; None and "" are left out."""
    return shlex.join(str(word) for word in ("benchkit", *words) if word not in (None, ""))


def leaderboard_commands(name: str) -> tuple[tuple[str, str], ...]:
    """Return the commands that run a study of ``benchkit leaderboard`` again, and that verify it."""
    again = command("leaderboard", "run", f"{name}/study.yaml", "--out", f"{name}-again")
    verified = command("leaderboard", "verify", name)
    return (
        ("run the study again", again),
        ("check that the traces are the same, bit for bit", verified),
    )


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file of a study says.

    Raises
    ------
    InputError : there is none, or it is damaged.
    """
    found: dict[str, Any] = check_shape(read_document(path), dict, str(path))
    return found


def facts_of(
    manifest: Mapping[str, Any], settings: Mapping[str, Any] | None = None
) -> tuple[tuple[str, str], ...]:
    """Return the origin of a study's numbers as names and values.

    Parameters
    ----------
    manifest : Manifest as it is kept.
    settings : Settings of the study, where table and data stand in them instead.
    """
    both = {**(settings or {}), **manifest}
    facts: list[tuple[str, str]] = []
    for name in ("table", "data"):
        about = both.get(name)
        if not isinstance(about, Mapping):
            continue
        entries = f", {about['entries']:,} entries" if isinstance(about.get("entries"), int) else ""
        facts.append((name, f"{about.get('name', 'unnamed')}{entries}"))
        for key, title in (("sha256", f"SHA-256 of the {name}"), ("licence", f"licence of the {name}")):
            if about.get(key):
                facts.append((title, str(about[key])))
        facts += [
            (f"source {file}, SHA-256", str(sha))
            for file, sha in dict(about.get("source_sha256") or {}).items()
        ]
    if both.get("study_sha256"):
        facts.append(("SHA-256 of the study", str(both["study_sha256"])))
    if isinstance(both.get("traces"), Mapping):
        facts.append(("traces, each with its SHA-256 in the manifest", f"{len(both['traces']):,}"))
    facts.append(("benchkit", str(both.get("benchkit", "unknown"))))
    facts.append(("Python", str(both.get("python", "unknown"))))
    platform = both.get("platform")
    if isinstance(platform, Mapping):
        facts.append(("platform", ", ".join(str(value) for value in platform.values())))
    if both.get("device"):
        facts.append(("device", str(both["device"])))
    versions = both.get("dependencies")
    if isinstance(versions, Mapping):
        facts.append(("libraries", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return tuple(facts)


def kept_files(folder: Path, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return text files of a folder by name, those that there are; hashes of single trials are left out."""
    found = []
    for name in names:
        path = folder / name
        if not path.is_file():
            continue
        if path.suffix == ".json":
            content = read_json(path)
            if isinstance(content.get("traces"), dict):  # thousands of lines; a fact names them
                content["traces"] = f"{len(content['traces'])} hashes, in {name}"
            found.append((name, json.dumps(content, indent=1, ensure_ascii=False)))
        else:
            found.append((name, read_text(path, "file", _MOST_TEXT)))
    return tuple(found)
