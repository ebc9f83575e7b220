"""Sources: pictures in their order, videos at their pace, and clear words where there is nothing."""

import itertools
import shutil

import numpy as np
import pytest
from PIL import Image

from bottleneck.runtime.device.sources import Pictures, Stills, Video, first_of, open_source, paced, shots


@pytest.fixture
def pictures(tmp_path):
    """Three grey pictures, one of them in a folder below, beside a file that is none."""
    (tmp_path / "b").mkdir()
    for number, name in enumerate(("a.png", "b/c.PNG", "z.png")):
        Image.fromarray(np.full((4, 6), number, np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_is_its_pictures_by_name(pictures):
    """Every picture comes, those below as well, in the order of their paths; nothing else does."""
    source = open_source(str(pictures))
    assert isinstance(source, Pictures)
    assert [np.asarray(image)[0, 0] for image in source] == [0, 1, 2]
    assert source.fps is None


def test_files_that_are_no_pictures_are_passed_over(pictures, caplog):
    """What begins with a dot is no picture, wherever it lies; files that are none are counted in one line."""
    for name in (".ipynb_checkpoints", "b/.ipynb_checkpoints"):
        shutil.copytree(pictures, pictures / name, ignore=lambda *_: {"b"})
    (pictures / "._a.png").write_text("what a Mac says of a file")
    (pictures / "b" / "Thumbs.db").write_text("")
    assert [np.asarray(image)[0, 0] for image in open_source(str(pictures))] == [0, 1, 2]
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"{pictures}: passed over 2 files that are no images."]


def test_so_many_frames_begin_again_where_a_source_ends(pictures):
    """Five frames of three pictures are the first two again; without a number all come once."""
    source = open_source(str(pictures))
    assert [np.asarray(image)[0, 0] for image in shots(source, 5)] == [0, 1, 2, 0, 1]
    assert len(list(shots(source, None))) == 3
    assert len(list(shots(open_source(str(pictures / "a.png")), 2))) == 2


def test_a_video_comes_at_its_own_pace_and_can_begin_again(tmp_path):
    """A video says how many images a second it has, and gives them in order, each time anew."""
    av = pytest.importorskip("av")
    path = str(tmp_path / "video.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for level in (20, 120, 220):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    source = open_source(path)
    assert isinstance(source, Video)
    assert source.fps == pytest.approx(10)
    levels = [np.asarray(image).mean() for image in shots(source, 6)]
    assert levels == pytest.approx([20, 120, 220] * 2, abs=8)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("missing", FileNotFoundError, "missing is missing"),
        ("empty", ValueError, "has no pictures"),
        ("notes.txt", ValueError, "cannot be played"),
    ],
)
def test_what_cannot_be_shown_is_named(tmp_path, name, error, message):
    """The message has the source."""
    pytest.importorskip("av")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(error, match=message):
        open_source(str(tmp_path / name))


class Clock:
    """A clock that only sleeping and working move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_images_come_as_often_as_asked_and_lateness_is_not_caught_up_with():
    """Ten a second are 0.1 s apart; after a pause of the consumer they go on from there."""
    clock, times = Clock(), []
    for number in paced(range(6), 10, clock, clock.sleep):
        times.append(clock.now)
        clock.now += 0.35 if number == 2 else 0.01
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.55, 0.65, 0.75])


def test_no_pace_is_refused():
    """Zero images a second are none."""
    with pytest.raises(ValueError, match="fps=0 is no pace"):
        list(itertools.islice(paced(Stills([1]), 0), 1))


def test_a_source_without_images_ends_at_once():
    """What has nothing to show is no endless wait, and its key is named."""
    with pytest.raises(ValueError, match="source="):
        list(shots(Stills([]), 3))
    with pytest.raises(ValueError, match="source="):
        first_of(Stills([]), 5)
    assert first_of(Stills([1, 2]), 5) == [1, 2]


def test_a_number_of_frames_is_none_below_zero():
    """Nor is it a sentence about iterators."""
    with pytest.raises(ValueError, match="frames=-1 is no number"):
        list(shots(Stills([1]), -1))
    assert list(shots(Stills([1]), 0)) == []


def test_a_damaged_picture_is_named(pictures):
    """A picture cut off, or none at all, has its file in the message."""
    whole = (pictures / "z.png").read_bytes()
    (pictures / "z.png").write_bytes(whole[:40])
    (pictures / "zz.png").write_text("no picture")
    for name in ("z.png", "zz.png"):
        with pytest.raises(ValueError, match=f"{name} cannot be shown"):
            list(open_source(str(pictures / name)))
