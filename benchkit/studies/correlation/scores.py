"""Keeps the scores of checkpoints, one by one while a correlation study runs, in one file at its end.

A checkpoint is known by the SHA-256 of its tensors: scores are never taken for those of another, and never
computed twice, whatever the folder of the training is called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.base.columnar import read_parquet
from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, replacing
from benchkit.base.npz_file import read_npy
from benchkit.base.parts import Parts
from benchkit.studies.correlation.kept import SCORES

_MOST_BYTES = 100 * MEGABYTE
Scores = npt.NDArray[np.float64]
COLUMNS = ("training", "seed", "epoch", "images", "checkpoint", "architecture", "supernet_accuracy")


class ScoreStore:
    """Scores in the folder of one study.

    Parameters
    ----------
    folder : Folder of the study; its settings say which architectures are scored, in which order.
    n : Number of architectures.

    Raises
    ------
    InputError : a file of scores that cannot be read.
    """

    def __init__(self, folder: Path, n: int) -> None:
        self._parts, self._whole, self._n = Parts(folder / "scores", ".npy"), folder / "scores.parquet", n
        self._known: dict[str, Scores] = {}
        if self._whole.is_file():
            columns = {name: SCORES[name] for name in ("checkpoint", "images", "supernet_accuracy")}
            try:
                table = read_parquet(self._whole, columns, "scores")
            except InputError as error:
                raise InputError(f"{error}; delete it to score again") from error
            scores = table.column("supernet_accuracy").to_numpy().astype(np.float64)
            # a checkpoint's rows stand together, in the study's order
            for start in range(0, table.num_rows, n):
                checkpoint, images = (table.column(key)[start].as_py() for key in ("checkpoint", "images"))
                self._known[f"{checkpoint}-{images}"] = scores[start : start + n]

    def get(self, checkpoint: str, images: int) -> Scores | None:
        """Return float64[n], the scores of a checkpoint (its SHA-256) on so many images; None if unknown."""
        name = f"{checkpoint}-{images}"
        known = self._known.get(name)
        if known is None and name in self._parts:
            try:
                known = read_npy(self._parts.path(name), "scores", _MOST_BYTES)
                if known.dtype != np.float64:
                    raise InputError(f"{self._parts.path(name)} holds no scores")
            except InputError as error:
                raise InputError(f"{error}: delete it to score again") from error
        return known if known is not None and known.shape == (self._n,) else None

    def keep(self, checkpoint: str, images: int, scores: Scores) -> None:
        """Write the scores of one checkpoint, whole or not at all."""
        with self._parts.writing(f"{checkpoint}-{images}") as temporary, temporary.open("wb") as file:
            np.save(file, scores, allow_pickle=False)

    def finish(self, frame: pd.DataFrame) -> None:
        """Write all scores into ``scores.parquet``, and remove the parts.

        Parameters
        ----------
        frame : Row for each checkpoint and architecture, with `COLUMNS`.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(frame[list(COLUMNS)], preserve_index=False)
        for name in ("training", "checkpoint", "architecture"):
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, table.column(place).cast(pa.string()).dictionary_encode())
        with replacing(self._whole) as temporary:
            pq.write_table(table.replace_schema_metadata(None), temporary)
        self._parts.discard()


def digest(architectures: Sequence[str], scores: Sequence[tuple[str, int, Scores]]) -> str:
    """Return the SHA-256 over scores: of each its checkpoint, number of images and little-endian values."""
    total = hashlib.sha256("\n".join(architectures).encode())
    for checkpoint, images, values in scores:
        total.update(f"\n{checkpoint} {images}\n".encode())
        total.update(values.astype("<f8").tobytes())
    return total.hexdigest()
