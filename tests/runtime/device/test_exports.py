"""What was exported is read only as it was written."""

import json
import shutil

import pytest

from bottleneck.integrity import description
from bottleneck.runtime.device.exports import exports_in

pytestmark = pytest.mark.slow  # the export takes ten seconds


@pytest.fixture(scope="module")
def whole(tmp_path_factory, frontier, digits_network):
    """A frontier with the graphs of one point, which is its only one. Not to be changed."""
    pytest.importorskip("onnxscript", reason="extra `onnx` is not installed")
    from bottleneck.deploy.export import export
    from bottleneck.deploy.frontier import read_bundles, write_frontier

    folder = tmp_path_factory.mktemp("exports") / "frontier"
    shutil.copytree(frontier / "point-02", folder / "point-02")
    points, _ = read_bundles(frontier)
    write_frontier(folder, points[2:], {"metric": "accuracy_top1"})
    export(folder / "point-02", digits_network, folder / "point-02" / "onnx")
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    """The same, to be changed."""
    return shutil.copytree(whole, tmp_path / "frontier")


def flip(file, place):
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def test_a_frontier_a_bundle_and_an_export_are_read(folder):
    """Of each the graphs are found, and what the frontier says of a point."""
    at = folder / "point-02" / "onnx"
    for where, point, value in ((folder, 2, 0.94), (at.parent, 0, 0), (at, 0, 0)):
        (export,) = exports_in(where)
        assert (export.folder, export.point, export.value) == (at, point, pytest.approx(value))
        assert export.about["split"] == "layer2"
        assert export.graph("server") == (at / "server.onnx").read_bytes()


@pytest.mark.parametrize(
    ("said", "task", "letterbox"),
    [
        ({}, "single_stage", 64),
        ({}, "segmentation", None),
        ({"letterbox": 32}, "any", 32),
        ({"letterbox": None}, "any", None),
    ],
)
def test_older_exports_leave_their_letterbox_to_us(said, task, letterbox, tmp_path):
    """What `export.json` says counts; where it says nothing, single-stage detectors have one."""
    known = {"split": "", "network": "", "sha256": {}, "preprocessing": {"letterbox": 64}, "task": task}
    description.write(tmp_path / "export.json", "split-bottleneck export", 1, known | said)
    (export,) = exports_in(tmp_path)
    assert export.about["letterbox"] == letterbox


@pytest.mark.parametrize("half", ["device", "server"])
def test_a_flipped_bit_of_a_graph_is_noticed(folder, half):
    """A graph that is not the one that was exported is refused by name, before anything is made of it."""
    (export,) = exports_in(folder)
    flip(export.folder / f"{half}.onnx", -1000)
    with pytest.raises(ValueError, match=rf"{half}\.onnx is not the one that export\.json names"):
        export.graph(half)


@pytest.mark.parametrize("name", ["frontier.json", "point-02/onnx/export.json"])
def test_a_changed_number_of_a_description_is_noticed(folder, name):
    """One digit that changed in a metric, or in a codec's tables, is refused with the file's name."""
    file = folder / name
    text = file.read_text()
    place = max(place for place, letter in enumerate(text[: text.index("checksum")]) if letter in "2468")
    flip(file, place)
    json.loads(file.read_text())
    with pytest.raises(ValueError, match=r"json was changed after it was written \(checksum\)"):
        exports_in(folder)


@pytest.mark.parametrize("bundle", ["../point-02", "/etc", "", 7])
def test_bundles_lie_inside_of_their_frontier(folder, rewrite, bundle):
    """A rightly sealed frontier that names a folder elsewhere is refused."""
    (point,) = json.loads((folder / "frontier.json").read_text())["points"]
    rewrite(folder / "frontier.json", points=[{**point, "bundle": bundle}])
    with pytest.raises(ValueError, match=r"names the bundle .*, no folder's name"):
        exports_in(folder)


def test_a_bundle_that_is_a_link_elsewhere_is_refused(folder, tmp_path):
    """Nor does a link lead out of the frontier."""
    (folder / "point-02").rename(tmp_path / "point-02")
    (folder / "point-02").symlink_to(tmp_path / "point-02")
    with pytest.raises(ValueError, match=r"the bundle point-02 lies elsewhere"):
        exports_in(folder)


def test_programs_for_pytorch_are_no_graphs(folder):
    """Where only the other target was exported, the error says which to ask for."""
    (export,) = exports_in(folder)
    (export.folder / "device.onnx").rename(export.folder / "device.pt2")
    with pytest.raises(FileNotFoundError, match=r"device\.onnx is missing.*target=onnx"):
        export.graph("device")
