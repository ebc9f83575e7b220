"""The authors' released bottlenecks give the authors' numbers."""

import numpy as np
import pytest
import torch

from bottleneck.compat import load_spic

RELEASED = [("classification_s1_0", 7), ("classification_s3_0", 14), ("segmentation_s3_0", 65)]


@pytest.mark.parametrize(("name", "size"), RELEASED)
def test_released_weights_give_the_golden_symbols_and_output(data_at_hand, name, size):
    """Symbols equal the golden file exactly, the reconstruction to float16 accuracy."""
    golden = np.load(data_at_hand / "spic" / f"{name}_golden.npz")
    unit = load_spic(
        data_at_hand / "spic" / f"{name}.pth.tar",
        stride=int(golden["stride"]),
        step=float(golden["step"]),
        size=(size, size),
    )
    generator = torch.Generator().manual_seed(int(golden["seed"]))
    feature = torch.relu(torch.randn(*golden["x_shape"], generator=generator)).half().float()
    np.testing.assert_array_equal(unit.symbols(feature), golden["symbols"])
    with torch.no_grad():
        output = unit(feature).feature
    assert output.shape == tuple(golden["output_shape"])
    expected = golden["output"].astype(np.float32)
    np.testing.assert_allclose(output.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_missing_checkpoint_names_the_path(tmp_path):
    """A path without a file is reported as such."""
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth\.tar"):
        load_spic(tmp_path / "nothing.pth.tar", stride=2, step=1.0, size=(7, 7))


@pytest.mark.parametrize("content", [{"weights": 1}, {"state_dict": {"conv1.weight": torch.zeros(1)}}])
def test_foreign_checkpoint_says_what_is_missing(tmp_path, content):
    """A checkpoint of something else is refused, naming the entries that are wrong."""
    path = tmp_path / "other.pth.tar"
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"holds no state dict|layers \['conv2_2'.*unknown"):
        load_spic(path, stride=2, step=1.0, size=(7, 7))
