"""Opens the images of a search: those that it may see, and those that its reporter reads once at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchkit.base.errors import InputError
from benchkit.data.images.catalogue import about_image_set, open_image_set, open_streamed
from benchkit.data.images.folder import FileList
from benchkit.data.images.image_set import ImageSet, LabelledImages
from benchkit.data.images.splits import SearchImages, SeededSplit, Split, divide, parse_split
from benchkit.data.images.streamed import USUAL_SIZE, SearchStream, StreamedSet

if TYPE_CHECKING:
    from benchkit.training.final_settings import FinalSettings
    from benchkit.training.settings import SearchSettings

    Settings = SearchSettings | FinalSettings

_HALVES = ("cifar10", "cifar100")


def opened(settings: Settings) -> ImageSet | StreamedSet:
    """Return the whole data set, made smaller as the settings say.

    Raises
    ------
    InputError : There is no such data set, or a size or limit that does not apply to it.
    """
    if about_image_set(settings.data)["kind"] != "streamed":
        return open_image_set(settings.data, settings.image_size, settings.limit)
    streamed = open_streamed(settings.data).sized(settings.image_size or USUAL_SIZE)
    return streamed if settings.limit is None else streamed.limited(settings.limit)


def searched_images(settings: Settings) -> SearchImages | SearchStream:
    """Return the images that the search may see; its test images are let go of here.

    Raises
    ------
    InputError : There is no such data set, or a split, size or limit that does not apply to it.
    """
    return _divided(settings)[0]


def test_images(settings: Settings) -> LabelledImages | FileList:
    """Return the test images, which only a reporter may read; a folder of images may have none.

    Raises
    ------
    InputError : see `searched_images`.
    """
    return _divided(settings)[1]


def _divided(settings: Settings) -> tuple[SearchImages, LabelledImages] | tuple[SearchStream, FileList]:
    images = opened(settings)
    if isinstance(images, StreamedSet):
        return _stream(settings, images)
    return divide(images, chosen_split(settings.data, settings.split, len(images.x_train)))


def _stream(settings: Settings, streamed: StreamedSet) -> tuple[SearchStream, FileList]:
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


def chosen_split(data: str, split: str | None, images: int, share: int = 4) -> Split:
    """Return the division of training images that was asked for.

    Parameters
    ----------
    split : ``nasbench201`` or a number of validation images; None is the benchmark's own halves where the
        data has them, else one image in `share`.
    images : Number of training images.

    Raises
    ------
    InputError : The split is neither.
    """
    if split is None and data not in _HALVES:
        return SeededSplit(max(1, images // share))
    return parse_split("nasbench201" if split is None else split)
