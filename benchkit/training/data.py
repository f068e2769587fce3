"""Opens the images of a search: those that it may see, and those that its reporter reads once at the end."""

from __future__ import annotations

from typing import Protocol

from benchkit.base.errors import InputError
from benchkit.data.images.catalogue import about_image_set, open_image_set, open_streamed
from benchkit.data.images.folder import FileList
from benchkit.data.images.image_set import ImageSet, LabelledImages
from benchkit.data.images.splits import SearchImages, SeededSplit, Split, divide, parse_split
from benchkit.data.images.streamed import USUAL_SIZE, SearchStream, StreamedSet

__all__ = ["DataSettings", "opened", "searched_images", "test_images"]

_HALVES = ("cifar10", "cifar100")


class DataSettings(Protocol):
    """Settings that say which images a search or another training sees; see `SearchSettings`."""

    @property
    def data(self) -> str: ...

    @property
    def split(self) -> str | None: ...

    @property
    def image_size(self) -> int | None: ...

    @property
    def limit(self) -> int | None: ...


def opened(settings: DataSettings) -> ImageSet | StreamedSet:
    """Return the whole data set, made smaller as the settings say.

    Raises
    ------
    InputError : no such data set, or a size or limit that does not apply to it.
    """
    if about_image_set(settings.data)["kind"] != "streamed":
        return open_image_set(settings.data, settings.image_size, settings.limit)
    streamed = open_streamed(settings.data).sized(settings.image_size or USUAL_SIZE)
    return streamed if settings.limit is None else streamed.limited(settings.limit)


def searched_images(settings: DataSettings) -> SearchImages | SearchStream:
    """Return the images that the search may see; its test images are let go of here.

    Raises
    ------
    InputError : no such data set, or a split, size or limit that does not apply to it.
    """
    return _divided(settings)[0]


def test_images(settings: DataSettings) -> LabelledImages | FileList:
    """Return the test images, which only a reporter may read; a folder of images may have none.

    Raises
    ------
    InputError : as `searched_images`.
    """
    return _divided(settings)[1]


def _divided(settings: DataSettings) -> tuple[SearchImages, LabelledImages] | tuple[SearchStream, FileList]:
    images = opened(settings)
    if isinstance(images, StreamedSet):
        return _stream(settings, images)
    return divide(images, _split(settings, images))


def _stream(settings: DataSettings, streamed: StreamedSet) -> tuple[SearchStream, FileList]:
    split = SeededSplit(max(1, len(streamed.train) // 4))
    if settings.split is not None:
        given = parse_split(settings.split)
        if not isinstance(given, SeededSplit):
            raise InputError(
                f"NAS-Bench-201's halves are not known for {settings.data}: give the number of validation "
                f"images instead"
            )
        split = given
    return streamed.divide(split.valid, split.seed)


def _split(settings: DataSettings, images: ImageSet) -> Split:
    if settings.split is not None:
        return parse_split(settings.split)
    if settings.data in _HALVES:
        return parse_split("nasbench201")
    return SeededSplit(max(1, len(images.x_train) // 4))
