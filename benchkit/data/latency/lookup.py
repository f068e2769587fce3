"""The latency look-up table: milliseconds of every choice at every position, and of all that is fixed.

"Improving One-Shot NAS by Suppressing the Posterior Fading" (PC-NAS; Li et al., 2019), sections 3.3 and 4.1,
searches under a hard limit on latency. An architecture's latency is taken to be the sum of its parts::

    latency(row) = sum of the fixed parts + sum over positions l of ms[l][row[l]]

The file is JSON. Measured once, it is an input like a data set: its SHA-256 is over all it says, a file that
was changed is refused, and no trial measures anything.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchkit.base.errors import InputError, clipped, shown
from benchkit.base.files import MEGABYTE, write_text
from benchkit.base.json_text import read_json
from benchkit.spaces import Space
from benchkit.spaces.base import Batch
from benchkit.spaces.restricted import whole_space

FORMAT = "benchkit latency 1"

_MOST_BYTES = 16 * MEGABYTE

Milliseconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Conditions(_Strict):
    """What the figures hold for.

    Attributes
    ----------
    device : ``cpu`` or ``cuda``.
    device_name : Name of the processor or graphics card.
    torch : Version of torch.
    threads : Number of threads of torch on the CPU.
    batch, image_size, image_channels : Images at once, their side in pixels, and their channels.
    classes : Number of outputs of the classifier.
    size : Options of the network, see `benchkit.spaces.sizes`.
    warmup, repeats : Number of repetitions before and in a figure, which is their median.
    calls : Number of calls of a part in one repetition, which is their mean.
    clock : ``wall``, or ``thread``: the processor time of the only thread.
    """

    device: str
    device_name: str
    torch: str
    threads: int
    batch: int
    image_size: int
    image_channels: int
    classes: int
    size: dict[str, int]
    warmup: int
    repeats: int
    calls: int
    clock: Literal["wall", "thread"]


class FixedPart(_Strict):
    """A part that every architecture has.

    Attributes
    ----------
    name : ``stem``, ``head``, or what stands between the layers.
    ms, iqr_ms : Median and interquartile range of the repetitions.
    """

    name: str
    ms: Milliseconds
    iqr_ms: Milliseconds


class Layer(_Strict):
    """The choices of one position; a choice that computes nothing has 0.

    Attributes
    ----------
    ms, iqr_ms : Median and interquartile range for each choice. In cells, sums over all cells.
    """

    ms: list[Milliseconds]
    iqr_ms: list[Milliseconds]


class Measure(_Strict):
    """A figure of the check with its 95 % bootstrap interval; None where undefined or not resolvable."""

    value: float | None
    low: float | None
    high: float | None


class Check(_Strict):
    """Sums of parts beside whole networks, measured under the same conditions.

    Attributes
    ----------
    seed : Seed with which the architectures were drawn, from the space's own law.
    architectures : Architectures in the space's notation.
    predicted_ms, measured_ms : Sums of parts and measured latencies, one for each of them.
    kendall_tau, pearson : Correlations of the two.
    absolute_error_ms : Mean of ``|predicted - measured|``.
    relative_error_percent : Mean of ``|predicted - measured| / measured``.
    """

    seed: int
    architectures: list[str]
    predicted_ms: list[Milliseconds]
    measured_ms: list[Milliseconds]
    kendall_tau: Measure
    pearson: Measure
    absolute_error_ms: Measure
    relative_error_percent: Measure


class _Content(_Strict):
    format: str = FORMAT
    space: str
    conditions: Conditions
    fixed: list[FixedPart]
    layers: list[Layer]
    check: Check | None = None


class LatencyLookup:
    """A latency look-up table.

    Parameters
    ----------
    content : All that its file says, but for the hash.

    Attributes
    ----------
    space : Name of the space.
    conditions, fixed, layers, check : Parts of the content, as their classes describe them.

    Raises
    ------
    InputError : no such content; the line says what is wrong with it.
    """

    def __init__(self, **content: Any) -> None:
        try:
            self._content = _Content(**content)
        except ValidationError as error:
            first = error.errors()[0]
            place = clipped(".".join(map(str, first["loc"])))
            raise InputError(f"no latency look-up table: {place}: {clipped(first['msg'])}") from error
        kept = self._content
        if kept.format != FORMAT:
            raise InputError(
                f"a latency look-up table of format {shown(kept.format)}; this benchkit reads {FORMAT!r}"
            )
        if not kept.layers or any(len(layer.ms) != len(layer.iqr_ms) for layer in kept.layers):
            raise InputError("no latency look-up table: every layer needs ms and iqr_ms for each choice")
        self.space, self.conditions, self.check = kept.space, kept.conditions, kept.check
        self.fixed, self.layers = kept.fixed, kept.layers

    @classmethod
    def from_document(cls, document: Any, origin: str) -> LatencyLookup:
        """Return the table of a JSON document with its hash.

        Raises
        ------
        InputError : it is none, or it was changed after it was measured.
        """
        if not isinstance(document, dict) or "sha256" not in document:
            raise InputError(f"{origin} is no latency look-up table; benchkit latency measure makes one")
        content = {str(key): value for key, value in document.items()}
        stated = content.pop("sha256")
        try:
            found = cls(**content)
        except (InputError, TypeError) as error:
            raise InputError(f"{origin}: {error}") from error
        if found.sha256 != stated:
            raise InputError(
                f"{origin} was changed after it was measured: its content has SHA-256 "
                f"{found.sha256[:12]}..., it states {str(stated)[:12]}...; measure it again"
            )
        return found

    @property
    def sha256(self) -> str:
        """SHA-256 of the content as JSON with sorted keys and no spaces: the table's identity."""
        text = json.dumps(self._content.model_dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def document(self) -> dict[str, Any]:
        """Return content and hash, JSON-ready."""
        return {**self._content.model_dump(), "sha256": self.sha256}

    def identity(self) -> dict[str, Any]:
        """Return which table it is, for a manifest."""
        return {"sha256": self.sha256, "space": self.space, **self.conditions.model_dump()}

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_text(path, json.dumps(self.document(), indent=1) + "\n")

    @property
    def fixed_ms(self) -> float:
        """What every architecture takes, in milliseconds."""
        return float(sum(part.ms for part in self.fixed))

    @property
    def fastest_ms(self) -> float:
        """The smallest sum of parts, in milliseconds; every row of a product space is a member."""
        return self.fixed_ms + float(sum(min(layer.ms) for layer in self.layers))

    def check_space(self, space: Space) -> None:
        """Refuse to speak of another space.

        Raises
        ------
        InputError : the table is of another space.
        """
        whole = whole_space(space)
        if whole.name != self.space:
            raise InputError(f"this latency look-up table is of space {self.space}, not of {whole.name}")
        if tuple(len(layer.ms) for layer in self.layers) != whole.arity:
            raise InputError(f"this latency look-up table does not have the choices of space {self.space}")

    def predict(self, batch: Batch) -> npt.NDArray[np.float64]:
        """Return float64[n], milliseconds: the sums of parts of int8[n, d], valid rows of the space."""
        total = np.full(len(batch), self.fixed_ms)
        for position, layer in enumerate(self.layers):
            total += np.asarray(layer.ms)[batch[:, position]]
        return total


def read_latency(path: Path) -> LatencyLookup:
    """Return the look-up table in a file.

    Raises
    ------
    InputError : no such file, none of these, or it was changed after it was measured.
    """
    document = read_json(path, "latency file", _MOST_BYTES)
    return LatencyLookup.from_document(document, f"latency file {path}")
