"""Any network as a frozen network that takes pixels, and the weights that go into it."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from bottleneck.identity import precision, unwrapped
from bottleneck.models.checkpoints import read_state_dict
from bottleneck.models.detection import Detector
from bottleneck.models.one_stage import OneStage
from bottleneck.models.pixels import Normalize, PixelNetwork, SelectLogits, SelectOutput
from bottleneck.models.rcnn import RCNN
from bottleneck.models.rows import Rows

#: A frozen network that takes pixels, and says what it is called and usually fed.
Network = PixelNetwork | Detector

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def wrap(
    network: nn.Module,
    weights: str | None = None,
    logits: Sequence[int] | None = None,
    output: str | None = None,
    mean: Sequence[float] = _IMAGENET_MEAN,
    std: Sequence[float] = _IMAGENET_STD,
    maximum: float = 255.0,
    order: Sequence[int] | None = None,
    name: str = "custom",
    side: int | Sequence[int] = 224,
    enlarge: bool = False,
    rows: str | None = None,
    labels: Sequence[int] | None = None,
) -> Any:
    """Any network of your own as a frozen network that takes pixels.

    Args:
        network: Takes normalised float images `(b, C, H, W)`; or one of torchvision's detectors, which
            normalise images themselves, so that of what follows only `weights` and `name` count.
        weights: Path of a checkpoint to load into it, or `None` to keep its weights.
        logits: Keep these logits only, in this order.
        output: Keep this entry only, where the network returns a dictionary; what else it has is left out of
            every cut.
        mean: Mean per channel of pixels scaled to [0, 1].
        std: Their standard deviation per channel.
        maximum: The pixel value that means 1.
        order: Channels as the network takes them, `[2, 1, 0]` for blue, green, red; `mean` and `std` are in
            that order. `None`: as they are.
        name: What results call it.
        side: Height and width of the images that it is usually fed; two numbers where they differ.
        enlarge: Whether its output, a map of logits, is enlarged to the image.
        rows: Of a single-stage detector, the format of its rows: `yolox`, `yolov5`, `yolov8`, `corners`
            (`rows.FORMATS`); what it returns then is as `Rows` says.
        labels: The data set's number for each class of those rows; see `Rows`.

    Returns:
        A `PixelNetwork`, or a `Detector`.
    """
    from torchvision.models import detection  # two seconds

    network = unwrapped(network)
    if weights is not None:
        load_checkpoint(network, weights)
    if isinstance(network, detection.generalized_rcnn.GeneralizedRCNN):
        return RCNN(network, name, (3, 800, 800)).eval()
    if isinstance(network, (detection.RetinaNet, detection.FCOS, detection.ssd.SSD)):
        side = int(min(network.transform.min_size))
        return OneStage(network, name, (3, side, side)).eval()
    selects: list[nn.Module] = [] if output is None else [SelectOutput(output)]
    selects += [] if logits is None else [SelectLogits(logits)]
    selects += [] if rows is None else [Rows(rows, labels)]
    select = nn.Sequential(*selects) if selects else None
    height, width = (side, side) if isinstance(side, int) else side
    normalize = Normalize(mean, std, maximum, order).to(precision(network))
    return PixelNetwork(network, normalize, select, name, (len(mean), height, width), enlarge).eval()


def load_checkpoint(network: nn.Module, path: str) -> None:
    """Load a state dict, in any float type, from `.safetensors` or a PyTorch file without pickled code.

    Names may begin with `module.`, which `DataParallel` had put before them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no state dict or does not fit the network; the message names the keys.
    """
    try:
        state = read_state_dict(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"model.weights={error} Give a checkpoint's path or a weights name."
        ) from error
    if not any(name.startswith("module.") for name in network.state_dict()):
        consume_prefix_in_state_dict_if_present(state, "module.")
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        hint = _classes_hint(network, state)
        raise ValueError(
            f"model.weights={path} does not fit {type(network).__name__}: {hint}{error}"
        ) from error


def _classes_hint(network: nn.Module, state: Mapping[str, Tensor]) -> str:
    """What to say where a checkpoint differs in nothing but the number of classes."""
    own = network.state_dict()
    other = [name for name in own if name not in state or own[name].shape != state[name].shape]
    if not other or own.keys() != state.keys():
        return ""
    classes = {len(state[name]) for name in other if state[name].dim()}
    if len(classes) != 1 or any(own[name].shape[1:] != state[name].shape[1:] for name in other):
        return ""
    return f"its classifier has {min(classes)} classes, so set model.num_classes={min(classes)}. "


@contextlib.contextmanager
def downloading(what: str, instead: str) -> Iterator[None]:
    """Say what to do where something cannot be fetched, and nothing of each time that it was tried.

    Raises:
        ValueError: In the place of any error of the network or of files.
    """
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.ERROR)
    try:
        yield
    except OSError as error:
        told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{what} cannot be downloaded: {told} {instead}") from error
    finally:
        hub.setLevel(level)


def library_weights(weights: str | None, library: str) -> tuple[bool, str | None]:
    """Whether a library is to load its own weights, and the checkpoint that is to be loaded otherwise.

    Raises:
        ValueError: If `weights` is neither `pretrained` nor looks like a path.
    """
    if weights is None or weights == "pretrained":
        return weights is not None, None
    if "." not in weights and "/" not in weights:
        raise ValueError(
            f"model.weights={weights!r}: use pretrained for {library}'s own, a checkpoint's path, or null."
        )
    return False, weights
