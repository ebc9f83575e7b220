"""Bottlenecks that the paper's authors released, as units of this package.

Their files are PyTorch checkpoints with one entry `state_dict`, keys relative to the bottleneck. What only
their training used (a learned prior) is ignored.

Source: github.com/IntelLabs/spic (MIT), the release that accompanies Datta et al., ICPR 2022.
"""

from pathlib import Path

from bottleneck.models.checkpoints import read_state_dict
from bottleneck.unit import BottleneckUnit

# Their name of each layer, and where it sits in ours.
_LAYERS = {
    "conv2_2": "encoder.0",
    "bn2_1": "encoder.1",
    "conv2_3": "encoder.3",
    "bn3_1": "encoder.4",
    "conv2_4": "decoder.0",
    "bn4_1": "decoder.1",
    "conv2_5": "decoder.3",
    "bn5_1": "decoder.4",
}
_TRAINING_ONLY = ("priorEncoder.", "priorDecoder.", "bitEstimator_z.")


def load_spic(checkpoint: str | Path, *, stride: int, step: float, size: tuple[int, int]) -> BottleneckUnit:
    """A released bottleneck, in eval mode.

    Args:
        checkpoint: Path of a released `.pth.tar` file.
        stride: Stride S of that operating point; the file does not say it.
        step: Its quantization step Q (their `qp`).
        size: Height and width of the feature: 7 or 14 for classification, 65 for segmentation.

    Returns:
        A unit with `released` geometry: at size 14 the reconstruction is 15×15 or 17×17, which the
        networks of the release accept.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds no such bottleneck; missing and unknown entries are named.
    """
    state = read_state_dict(checkpoint)
    state = {key: value for key, value in state.items() if not key.startswith(_TRAINING_ONLY)}
    missing = [layer for layer in _LAYERS if f"{layer}.weight" not in state]
    unknown = [key for key in state if key.split(".")[0] not in _LAYERS]
    if missing or unknown:
        raise ValueError(
            f"{checkpoint} is no released bottleneck: layers {missing} are missing, {unknown} unknown."
        )

    latent_channels, channels = state["conv2_3.weight"].shape[:2]
    unit = BottleneckUnit(
        channels,
        latent_channels,
        stride,
        step,
        size,
        kernel=state["conv2_5.weight"].shape[-1],
        geometry="released",
    )
    unit.load_state_dict(
        {f"{_LAYERS[key.split('.')[0]]}.{key.split('.', 1)[1]}": value for key, value in state.items()}
    )
    return unit.eval()
