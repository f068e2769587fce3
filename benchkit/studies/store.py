"""The folder of a study: keeps what its trials leave, and reads it back.

While a study runs, ``trials/`` holds one Arrow file a finished trial, written whole or not at all (in a
folder named after the table's SHA-256, so that no trial of another table is taken for one of this). When
all are there they become ``traces.parquet`` (a row an evaluation) and ``trials.csv`` (a row a trial and
reported data set), and the folder is removed. When each evaluation was answered by the clock stands apart, in
``real_seconds.parquet`` (a row for every row of the traces): the other files are the same bytes each time.

In ``traces.parquet`` the column ``architecture`` is dictionary-encoded, so each distinct row is stored
once, packed into as few bits a choice as the space's largest arity needs; `read_architectures` unpacks it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchkit.base.columnar import NUMBER_OR_MISSING, read_parquet, row_count
from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, read_text, replacing, write_text
from benchkit.base.frames import read_frame
from benchkit.base.json_text import read_json
from benchkit.base.parts import Parts
from benchkit.base.run_folder import claim
from benchkit.base.shapes import check_shape
from benchkit.searching.trace import Trace, pack
from benchkit.spaces import Space
from benchkit.spaces.base import Batch
from benchkit.studies.kept import BEST_OF_K, LEADERBOARD, MANIFESTS, META, TRACES, TRIALS, read_part, unpacked
from benchkit.studies.spec import AnyStudySpec, StudySpec, load_spec
from benchkit.studies.trial import Trial, TrialResult

_REAL = "real_seconds"
_MOST_TEXT = 256 * MEGABYTE
_NUMBERS = ("score", "fidelity", "queries", "seconds", "regret")


class StudyDirectory:
    """The directory of one study.

    Parameters
    ----------
    path : Folder; it need not exist yet.
    table_sha256 : SHA-256 of the table that trials run on; only needed to keep and assemble trials.
    """

    def __init__(self, path: Path | str, table_sha256: str = "") -> None:
        path = Path(path)
        self.path = path
        self.study = path / "study.yaml"
        self.manifest = path / "manifest.json"
        self.traces = path / "traces.parquet"
        self.real_seconds = path / "real_seconds.parquet"
        self.trials = path / "trials.csv"
        self.leaderboard = path / "leaderboard.csv"
        self.latex = path / "leaderboard.tex"
        self.best_of_k = path / "best_of_k.csv"
        self.figures = path / "figures"
        self.searches = path / "searches"  # of a study that trains supernets, as are the tables
        self.table = path / "table.csv"
        self._parts = Parts(path / "trials" / table_sha256[:16], ".arrow")

    # -- the study ----------------------------------------------------------------------------

    def claim(self, spec: AnyStudySpec) -> None:
        """Make this directory the study's: new, or the same study to be resumed.

        Raises
        ------
        InputError : it is a file, not empty and of no study, or of another study.
        """

        def difference() -> str:
            kept = load_spec(self.study)
            return "" if _content(kept) == _content(spec) else _difference(kept, spec)

        if self.study.is_file() and difference() and list(self.path.iterdir()) == [self.study]:
            write_text(self.study, spec.to_yaml())  # no trial of the other one was ever finished
        claim(self.study, spec.to_yaml(), "study", difference)

    def load(self) -> AnyStudySpec:
        """Return the study kept here, of any kind.

        Raises
        ------
        InputError : the directory holds no study.
        """
        if not self.study.is_file():
            raise InputError(f"{self.path} holds no study (no study.yaml)")
        return load_spec(self.study)

    def spec(self) -> StudySpec:
        """Return the study on a table that is kept here.

        Raises
        ------
        InputError : the directory holds no study, or one whose searches train supernets.
        """
        spec = self.load()
        if isinstance(spec, StudySpec):
            return spec
        queries = "".join(f"; {self.path / name} is a study on a table" for name in spec.blocks())
        raise InputError(
            f"{self.path} holds searches that train supernets: they have no regret after each query; "
            f"benchkit plot stability draws what they would have returned{queries}"
        )

    @property
    def complete(self) -> bool:
        """Whether every trial was run and the traces were put together."""
        return self.manifest.is_file() and self.traces.is_file()

    # -- trials, while the study runs ---------------------------------------------------------

    def _part(self, trial: Trial) -> Path:
        return self._parts.path(trial.name)

    def finished(self, trials: Iterable[Trial]) -> list[Trial]:
        """Return those of `trials` whose part is here."""
        return [trial for trial in trials if trial.name in self._parts]

    def keep(self, result: TrialResult, arity: Sequence[int]) -> None:
        """Write the part of one trial, whole or not at all."""
        trace = result.trace
        packed = pack(trace.batch, arity)
        width = packed.shape[1]
        rows = pa.Array.from_buffers(
            pa.binary(width), len(packed), [None, pa.py_buffer(np.ascontiguousarray(packed).tobytes())]
        )
        columns = {
            "step": pa.array(np.arange(len(trace), dtype=np.int32)),
            "architecture": rows,
            "score": pa.array(trace.scores),
            "fidelity": pa.array(trace.fidelity),
            "queries": pa.array(trace.queries),
            "seconds": pa.array(trace.seconds, from_pandas=True),
            "regret": pa.array(result.regret, from_pandas=True),
            _REAL: pa.array(result.real_seconds.astype(np.float32)),
        }
        about = {
            "label": result.trial.label,
            "dataset": result.trial.dataset,
            "seed": result.trial.seed,
            "digest": result.digest,
            "recommended": result.recommended.tolist(),
            "distinct": result.distinct,
            "distinct_isomorphic": result.distinct_isomorphic,
            "reports": [
                {"dataset": r.dataset, "valid": _plain(r.valid), "test": _plain(r.test), "regret": r.regret}
                for r in result.reports
            ],
        }
        table = pa.table(columns).replace_schema_metadata({META: json.dumps(about)})
        with (
            replacing(self._part(result.trial)) as temporary,
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_file(sink, table.schema) as writer,
        ):
            writer.write_table(table)

    def assemble(self, trials: Sequence[Trial], space: Space) -> dict[str, str]:
        """Put the parts of all trials together; return each trial's trace hash by its name.

        The parts stay until `discard_parts`, so that nothing is lost if a later step fails.
        """
        parts: list[pa.Table] = []
        rows: list[dict[str, Any]] = []
        digests: dict[str, str] = {}
        for trial in trials:
            part, about = read_part(self._part(trial), _REAL)
            recommended = space.format(space.validate(about["recommended"])[0])
            digests[trial.name] = about["digest"]
            n = part.num_rows
            names = {
                "strategy": pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [trial.label]),
                "dataset": pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [trial.dataset]),
                "seed": pa.array(np.full(n, trial.seed, np.int32)),
            }
            columns = {**names, **{name: part.column(name) for name in part.schema.names}}
            parts.append(pa.table(columns))
            for report in about["reports"]:
                rows.append(
                    {
                        "strategy": trial.label,
                        "dataset": report["dataset"],
                        "searched_on": trial.dataset,
                        "seed": trial.seed,
                        "valid": report["valid"],
                        "test": report["test"],
                        "regret": report["regret"],
                        "queries": part.column("queries")[-1].as_py() if n else 0.0,
                        "seconds": part.column("seconds")[-1].as_py() if n else None,
                        "distinct": about["distinct"],
                        "distinct_isomorphic": about["distinct_isomorphic"],
                        "recommended": recommended,
                        "trace_sha256": about["digest"],
                    }
                )
        together = pa.concat_tables(parts, promote_options="default")
        if _REAL in together.column_names:  # trials that an earlier release has finished have none
            with replacing(self.real_seconds) as temporary:
                pq.write_table(together.select([_REAL]), temporary, compression="zstd")
            together = together.drop_columns([_REAL])
        joined = together.unify_dictionaries().combine_chunks()
        encoded = joined.column("architecture").combine_chunks().dictionary_encode()
        joined = joined.set_column(joined.schema.get_field_index("architecture"), "architecture", encoded)
        with replacing(self.traces) as temporary:
            pq.write_table(joined, temporary, compression="zstd")
        write_text(self.trials, pd.DataFrame(rows).to_csv(index=False, float_format="%.10g"))
        return digests

    def discard_parts(self) -> None:
        """Remove the parts, once everything made of them is in place."""
        shutil.rmtree(self.path / "trials", ignore_errors=True)

    # -- reading back -------------------------------------------------------------------------

    def _need(self, path: Path) -> Path:
        if not path.is_file():
            if self.manifest.is_file():
                raise InputError(
                    f"{self.path} has no {path.name}: it was taken away from a finished study; "
                    "run the study again to have it"
                )
            raise InputError(
                f"{self.path} has no {path.name}: its study has not finished; run it again to resume"
            )
        return path

    def read_traces(self) -> pd.DataFrame:
        """Return the tidy traces, a row an evaluation, without the architectures."""
        columns = ["strategy", "dataset", "seed", "step", *_NUMBERS]
        frame: pd.DataFrame = self._read_parquet(columns).to_pandas()
        return frame.astype({"strategy": str, "dataset": str})

    def read_real_seconds(self) -> npt.NDArray[np.float64]:
        """Return the seconds by the clock from a trial's start to each row of `read_traces`; NaN is unknown.

        Raises
        ------
        InputError : they were not kept, or the file is damaged or of other traces.
        """
        if self.traces.is_file() and not self.real_seconds.is_file():
            raise InputError(
                f"{self.path} keeps no real seconds: it was run by a release that did not, or its "
                f"{self.real_seconds.name} is gone; to have them run the study again, into another --out"
            )
        path = self._need(self.real_seconds)
        seconds = read_parquet(path, {_REAL: NUMBER_OR_MISSING}, "real seconds").column(_REAL).to_numpy()
        rows = row_count(self._need(self.traces), "traces")
        if len(seconds) != rows:
            raise InputError(f"{self.real_seconds} has {len(seconds):,} rows, the traces have {rows:,}")
        return np.asarray(seconds, dtype=np.float64)

    def read_trials(self) -> pd.DataFrame:
        """Return a row a trial and reported data set."""
        return read_frame(self._need(self.trials), TRIALS, "trials")

    def read_leaderboard(self) -> pd.DataFrame:
        """Return the leaderboard, a row a data set and strategy."""
        return read_frame(self._need(self.leaderboard), LEADERBOARD, "leaderboard")

    def read_best_of_k(self) -> pd.DataFrame:
        """Return the table of the best of K samples, a row a data set and cell."""
        return read_frame(self._need(self.best_of_k), BEST_OF_K, "best of K")

    def read_text(self, path: Path) -> str:
        """Return one of the study's text files as it stands."""
        return read_text(self._need(path), "file", _MOST_TEXT)

    def read_architectures(self, space: Space) -> Batch:
        """Return int8[n, d]: the architecture of every row of `read_traces`."""
        return unpacked(self._read_parquet(["architecture"]).column(0), space, self.traces)

    def read_kept(self, space: Space) -> dict[Trial, Trace]:
        """Return the kept trace of every trial."""
        table = self._read_parquet(["strategy", "dataset", "seed", "architecture", *_NUMBERS])
        batch = unpacked(table.column("architecture"), space, self.traces)
        number = {name: table.column(name).to_numpy() for name in _NUMBERS}
        names = table.select(["strategy", "dataset", "seed"]).to_pandas()
        traces = {}
        for (label, dataset, seed), rows in names.groupby(list(names), observed=True).indices.items():
            traces[Trial(str(label), str(dataset), int(seed))] = Trace(
                batch=batch[rows],
                scores=number["score"][rows],
                fidelity=number["fidelity"][rows],
                queries=number["queries"][rows],
                seconds=number["seconds"][rows].astype(np.float64),
            )
        return traces

    def _read_parquet(self, columns: list[str]) -> pa.Table:
        return read_parquet(self._need(self.traces), {name: TRACES[name] for name in columns}, "traces")

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises
        ------
        InputError : there is none, or it is damaged.
        """
        path = self._need(self.manifest)
        shape = MANIFESTS[self.load().evaluator if self.study.is_file() else "table"]
        manifest: dict[str, Any] = check_shape(read_json(path, "manifest"), shape, f"manifest {path}")
        return manifest


def _content(spec: AnyStudySpec) -> dict[str, str]:
    """Return the value of every key as JSON, in which the order of options does not count."""
    return {key: json.dumps(value, sort_keys=True) for key, value in spec.model_dump(mode="json").items()}


def _difference(kept: AnyStudySpec, spec: AnyStudySpec) -> str:
    """Return the first key in which two studies differ, with both values."""
    ours, theirs = spec.model_dump(mode="json"), kept.model_dump(mode="json")
    here, there = _content(spec), _content(kept)
    key = next(key for key in (*here, *there) if here.get(key) != there.get(key))
    other = _short(theirs.get(key))
    return f"{other if key == 'name' else f'{kept.name}: {key} {other}'}, not {_short(ours.get(key))}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(
            str(item.get("label", item)) if isinstance(item, dict) else str(item) for item in value
        )
    if isinstance(value, dict):
        if "sha256" in value:  # something large that is known by its hash
            return f"{value['sha256'][:12]}..."
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items() if item is not None)
    return str(value)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value
