"""What frontiers and bundles say of themselves is read without making anything."""

import shutil

import pytest

from bottleneck.deploy.frontier import read_bundles
from bottleneck.deploy.places import found
from bottleneck.deploy.rows import rows_of


def test_rows_are_those_of_the_bundles():
    """Every point has its own number and its bundle's row, whose payload counts the byte that names it."""
    points, bundles = read_bundles(found("zoo:digits/default"))
    rows = rows_of("zoo:digits/default")
    assert [row.point for row in rows] == [point.id for point in points] == [0, 1, 2, 3, 5]
    assert [row.result for row in rows] == [bundle.result for bundle in bundles]
    assert [row.settings for row in rows] == [point.settings for point in points]
    assert [row.payload_bytes for row in rows] == pytest.approx([point.payload_bytes for point in points])


def test_a_bundle_alone_has_one_row(bundle_folder):
    """No number names it, and weights are not looked at."""
    (bundle_folder / "unit.safetensors").unlink()
    (row,) = rows_of(bundle_folder)
    assert (row.point, row.result, row.settings) == (None, {"value": 0.9}, {})


def test_another_bundle_is_no_point(tmp_path):
    """A bundle that the frontier does not vouch for is refused, as where it is loaded."""
    folder = shutil.copytree(found("zoo:digits/default"), tmp_path / "frontier")
    shutil.copytree(folder / "point-05", folder / "point-03", dirs_exist_ok=True)
    with pytest.raises(ValueError, match=r"point-03/bundle\.json has SHA-256"):
        rows_of(folder)


def test_a_description_without_a_row_is_named(bundle_folder, rewrite):
    """A bundle of nothing is an error that says which file it is."""
    rewrite(bundle_folder / "bundle.json", result=...)
    with pytest.raises(ValueError, match=r"bundle\.json describes nothing"):
        rows_of(bundle_folder)
