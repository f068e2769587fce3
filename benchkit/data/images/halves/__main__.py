"""Make the embedded halves; see the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchkit.data.images.halves.packed import build_halves

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the embedded halves of NAS-Bench-201.")
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the CSV files")
    parser.add_argument("--to", type=Path, default=Path(__file__).resolve().parent)
    arguments = parser.parse_args()
    build_halves(arguments.source, arguments.to)
