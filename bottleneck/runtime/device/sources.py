"""Where images come from: a folder, a picture, a video, a camera, a stream on the network.

stills  folder, picture       each waits until it is its turn: none gets old      Client.ask
live    video, camera, RTSP   each comes when it comes: what would wait is dropped  Client.offer
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from bottleneck.codecs.pictures.files.folder import pictures_in, tell_passed_over

PICTURES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_SLOWEST = 1e-5  # images a second: one a day
_SILENCE = 10.0  # seconds after which a camera or a stream that says nothing is an error


class Stills:
    """Pictures, one after another.

    Args:
        images: In order; anything that the device's half takes.
    """

    fps: float | None = None

    def __init__(self, images: Iterable[Any]):
        self._images = images

    def __iter__(self) -> Iterator[Any]:
        return iter(self._images)


class Pictures(Stills):
    """The picture files of a folder, or one.

    Raises:
        ValueError: If there is no picture, or, as it comes, one is damaged.
    """

    def __init__(self, path: Path):
        files, others = pictures_in(path, PICTURES) if path.is_dir() else ([path], 0)
        tell_passed_over(path, others)
        self._files = sorted(files)
        if not self._files:
            raise ValueError(f"source={path} has no pictures. Known endings: {', '.join(PICTURES)}.")

    def __iter__(self) -> Iterator[Image.Image]:
        for file in self._files:
            try:
                with Image.open(file) as image:
                    image.load()
            except (OSError, Image.DecompressionBombError) as error:
                raise ValueError(f"{file} cannot be shown: {error}. Take it away, or mend it.") from error
            yield image


class Video:
    """A video file, a camera (`/dev/video0`) or a stream (`rtsp://...`), through FFmpeg.

    Attributes:
        fps: Images a second of a file; `None` where they come by themselves.

    Raises:
        ModuleNotFoundError: If PyAV is missing.
        ValueError: If it cannot be opened, has no video, or, as it comes, breaks off.
    """

    def __init__(self, source: str):
        try:
            import av
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f'source={source} needs PyAV: pip install "split-bottleneck[runtime]"'
            ) from error
        self._source, self._broken = source, av.FFmpegError
        options = {"rtsp_transport": "tcp"} if source.startswith("rtsp") else {}
        camera = "v4l2" if source.startswith("/dev/") else None
        try:
            self._container = av.open(source, format=camera, options=options, timeout=_SILENCE)
            self._stream = self._container.streams.video[0]
        except (av.FFmpegError, IndexError) as error:
            raise ValueError(f"source={source} cannot be played: {error}.") from error
        rate = self._stream.average_rate
        is_file = camera is None and "://" not in source
        self.fps = float(rate) if is_file and rate is not None else None

    def __iter__(self) -> Iterator[Image.Image]:
        if self.fps is not None:
            self._container.seek(0)
        try:
            for frame in self._container.decode(self._stream):
                yield frame.to_image()  # type: ignore[no-untyped-call]
        except self._broken as error:
            raise ValueError(f"source={self._source} breaks off: {error}.") from error


Source = Stills | Video


def open_source(source: str) -> Source:
    """What a path, a device or an address stands for.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If nothing in it can be shown.
    """
    if "://" in source or source.startswith("/dev/"):
        return Video(source)
    path = Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"source={source} is missing. Give a folder, a picture, a video or rtsp://..."
        )
    if path.is_dir() or path.suffix.lower() in PICTURES:
        return Pictures(path)
    return Video(str(path))


def first_of(source: Source, count: int) -> list[Any]:
    """So many images of a source's beginning, or all where it has fewer.

    Raises:
        ValueError: If it has none.
    """
    if not (images := list(itertools.islice(source, count))):
        raise ValueError("source= has no image that can be shown; the file may be cut off.")
    return images


def shots(source: Source, frames: int | None) -> Iterator[Any]:
    """So many images of a source, from its beginning again where it ends; `None`: all, once.

    Raises:
        ValueError: If the number is none, or the source is empty.
    """
    if frames is None:
        yield from source
        return
    if not isinstance(frames, int) or frames < 0:
        raise ValueError(f"frames={frames} is no number of images. Use 0 or more, or null for all.")
    while frames > 0:
        before = frames
        for image in itertools.islice(source, frames):
            frames -= 1
            yield image
        if frames == before:
            raise ValueError("source= has no more images, not even from its beginning.")


def check_pace(fps: float) -> None:
    """Refuse what is no pace.

    Raises:
        ValueError: Then.
    """
    if not isinstance(fps, (int, float)) or not _SLOWEST <= fps < float("inf"):
        raise ValueError(f"fps={fps} is no pace. Give images a second, such as 10; {_SLOWEST:g} or more.")


def paced(
    images: Iterable[Any],
    fps: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Any]:
    """The images as a camera would give them, so many a second.

    Args:
        images: In order.
        fps: Images a second.
        clock: Seconds of some clock.
        sleep: Waits for so many seconds of it.

    Raises:
        ValueError: If `fps` is no pace.
    """
    check_pace(fps)
    due = clock()
    for image in images:
        if (early := due - clock()) > 0:
            sleep(early)
        else:
            due -= early  # what is late is not caught up with
        yield image
        due += 1 / fps
