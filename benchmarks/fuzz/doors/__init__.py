"""All doors, by name. Adding one is a class and a line."""

from __future__ import annotations

from benchmarks.fuzz.door import Door
from benchmarks.fuzz.doors.arrow import ArrowTables
from benchmarks.fuzz.doors.command_lines import CommandLines
from benchmarks.fuzz.doors.images import IdxFiles, ImageArchives, ImageFolders, StoredImages
from benchmarks.fuzz.doors.kept import Checkpoints, Documents, KeptStudies, LookupTables, ParquetTraces
from benchmarks.fuzz.doors.official import HPOBenchWheel, NASBench201File, NATSFile, NATSFolder, TFRecord
from benchmarks.fuzz.doors.pickles import Archives, Pickles
from benchmarks.fuzz.doors.texts import Architectures, ColumnFiles, CSVFiles, StudyFiles

__all__ = ["DOORS"]

DOORS: dict[str, Door] = {
    door.name: door
    for door in (
        *(TFRecord(), NATSFolder(), NATSFile(), NASBench201File(), HPOBenchWheel(), Pickles(), Archives()),
        *(ImageArchives(), ImageFolders(), IdxFiles(), StoredImages()),
        *(CSVFiles(), ColumnFiles(), StudyFiles(), Architectures(), CommandLines()),
        *(ArrowTables(), ParquetTraces(), KeptStudies(), Documents(), Checkpoints(), LookupTables()),
    )
}
