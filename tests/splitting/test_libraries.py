"""Libraries' own networks, as `benchmarks/coverage.py` measures many more of them."""

import pytest

from benchmarks.coverage import LIBRARIES, covered

NETWORKS = [
    ("timm", "timm", "swin_tiny_patch4_window7_224", "torch.fx"),
    ("timm", "timm", "mvitv2_tiny", "torch.export"),
    ("transformers", "huggingface", "convnext", "torch.export"),
    ("transformers", "huggingface", "segformer", "torch.export"),
    ("segmentation_models_pytorch", "smp", "Unet", "torch.fx"),
    ("segmentation_models_pytorch", "smp", "UnetPlusPlus", "torch.export"),
    ("ultralytics", "detectors", "yolov8n", "torch.export"),
    ("yolov5", "detectors", "yolov5/yolov5n", "torch.export"),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of other people's constructors
@pytest.mark.parametrize(("package", "library", "name", "seen"), NETWORKS, ids=[n[2] for n in NETWORKS])
def test_libraries_networks_are_cut_exactly(package, library, name, seen):
    """At three of at least three useful cuts, for batches of 1 and 3, head and tail are the network."""
    pytest.importorskip(package, reason="the library is not installed")
    row = covered(library, name, LIBRARIES[library][1])
    assert "refused" not in row, row["refused"]
    assert row["useful"] >= 3
    assert row["reach"] > 0
    assert row["worst"] < 1e-5
    assert row["seen"] == seen
