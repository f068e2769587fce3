"""NAS-Bench-201's own halves of CIFAR-10's training images and of CIFAR-100's test images, embedded.

``python -m benchkit.data.images.halves --from FOLDER`` makes ``*.npy`` here from the two gzip-compressed CSV
files named in `INPUTS` (columns ``image_index,half``), whose SHA-256 it checks: one bit an image, most
significant first, 1 where the image is in the half named in `HALVES`. The CSV files are extracts of
``cifar-split.txt`` and ``cifar100-test-split.txt`` in GitHub D-X-Y/AutoDL-Projects, folder
configs/nas-benchmark (MIT).
"""

from __future__ import annotations

from benchkit.data.images.halves.packed import HALVES, INPUTS, build_halves, in_first_half

__all__ = ["HALVES", "INPUTS", "build_halves", "in_first_half"]
