"""How many networks can be cut, and whether their halves compute what they do: one table.

    python -m benchmarks.coverage                      all of them
    python -m benchmarks.coverage timm --only=swin     of one library, those with a part of the name

Weights are random, those that a constructor leaves constant as well. For each network: closed cuts, the worst
difference between tail(head(x)) and the network at three cuts and batches of 1 and 3, over the output's
largest value, seconds of processor time to see it and to make three pairs of halves, and how it was seen, or
why it was refused.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from tabulate import tabulate
from torch import Tensor, nn

from bottleneck import models
from bottleneck.splitting.graph import trace
from bottleneck.splitting.model import split_traced
from bottleneck.splitting.outputs import tensors_in
from bottleneck.splitting.points import points_of

_TIMM = """
beit_base_patch16_224 cait_xxs24_224 coat_lite_tiny coatnet_nano_rw_224 convit_tiny convmixer_768_32
convnext_tiny convnextv2_atto crossvit_9_240 cspdarknet53 darknet53 deit_tiny_patch16_224 densenet121 dla34
dm_nfnet_f0 dpn68 eca_nfnet_l0 edgenext_xx_small efficientformer_l1 efficientnet_b0 efficientnetv2_rw_t
efficientvit_b0 eva02_tiny_patch14_224 fastvit_t8 fbnetc_100 focalnet_tiny_srf gcvit_xxtiny gernet_s
ghostnet_100 hardcorenas_a hrnet_w18_small inception_v4 lcnet_050 levit_128s maxvit_tiny_tf_224
mixer_s32_224 mixnet_s mnasnet_100 mobilenetv3_small_100 mobilenetv4_conv_small mobileone_s0 mobilevit_xs
mvitv2_tiny nest_tiny pit_ti_224 poolformer_s12 pvt_v2_b0 regnetx_002 repvgg_a0 res2net50_26w_4s
resmlp_12_224 resnest14d resnet18 rexnet_100 sequencer2d_s skresnet18 swin_tiny_patch4_window7_224
swinv2_tiny_window8_256 tf_efficientnet_lite0 tiny_vit_5m_224 twins_svt_small vgg11 visformer_tiny
vit_tiny_patch16_224 volo_d1_224 xception41 xcit_nano_12_p16_224
"""
_HUGGINGFACE = """
beit bit convnext convnextv2 deit dinov2 efficientnet levit mobilenet_v2 mobilevit mobilevitv2 poolformer
pvt regnet resnet segformer swin swinv2 vit vit_msn
"""
_SMP = """
Unet UnetPlusPlus MAnet Linknet FPN PSPNet DeepLabV3 DeepLabV3Plus PAN UPerNet Segformer
"""
_DETECTORS = """
yolov3-tinyu yolov5nu yolov6n yolov8n yolov9t yolov10n yolo11n yolo12n yolov5/yolov5n yolov5/yolov5m
"""

Made = tuple[nn.Module, int]


def torchvision_names() -> list[str]:
    """Every network that takes one image: not those of videos, and of two images the flow between them."""
    zoo = torchvision.models
    return [name for kind in (zoo, zoo.segmentation, zoo.detection) for name in zoo.list_models(module=kind)]


def torchvision_network(name: str) -> Made:
    """One of torchvision's, at a small size where it takes any."""
    resizes = (
        name in torchvision.models.list_models(module=torchvision.models.detection) and "ssd" not in name
    )
    small: dict[str, Any] = {"min_size": 128, "max_size": 256} if resizes else {}
    if "mask" in name or "keypoint" in name:  # each object has a head's pass, and photographs have no hundred
        small["box_detections_per_img"] = 20
    network = models.create(name, **small)
    if isinstance(network, models.Detector):
        network.find_all()
        return network, 128
    return network.network, {"inception_v3": 299, "maxvit_t": 224}.get(name, 224 if "vit_" in name else 128)


def timm_network(name: str) -> Made:
    """One network of each family of timm's."""
    import timm

    network: Any = timm.create_model(name)
    return network, network.pretrained_cfg["input_size"][-1]


def huggingface_network(kind: str) -> Made:
    """One network of each family of Hugging Face's that classifies images."""
    import transformers

    smaller = {"width_coefficient": 1.0, "depth_coefficient": 1.0, "image_size": 224, "hidden_dim": 1280}
    config = transformers.AutoConfig.for_model(kind, **(smaller if kind == "efficientnet" else {}))
    config.architectures = []  # the family's first
    size = getattr(config, "image_size", 224)
    network = transformers.AutoModelForImageClassification.from_config(config)
    return network, size if isinstance(size, int) else 224


def smp_network(name: str) -> Made:
    """The architectures of segmentation_models_pytorch on a ResNet-18."""
    import segmentation_models_pytorch as smp

    return getattr(smp, name)("resnet18", encoder_weights=None), 128


def detector_network(name: str) -> Made:
    """Detectors of Ultralytics and YOLOv5."""
    if name.startswith("yolov5/"):
        import yolov5
        from yolov5.models.yolo import DetectionModel

        folder = Path(str(yolov5.__file__)).parent / "models"
        return DetectionModel(str(folder / f"{name.removeprefix('yolov5/')}.yaml")), 128
    from ultralytics import YOLO

    network: Any = YOLO(f"{name}.yaml", task="detect").model
    return network, 128


LIBRARIES: dict[str, tuple[list[str], Callable[[str], Made]]] = {
    "torchvision": (torchvision_names(), torchvision_network),
    "timm": (_TIMM.split(), timm_network),
    "huggingface": (_HUGGINGFACE.split(), huggingface_network),
    "detectors": (_DETECTORS.split(), detector_network),
    "smp": (_SMP.split(), smp_network),
}


def covered(library: str, name: str, make: Callable[[str], Made]) -> dict[str, Any]:
    """What is said of one network."""
    torch.manual_seed(0)
    row: dict[str, Any] = {"library": library, "network": name}
    try:
        network, side = make(name)
    except Exception as error:
        return row | {"refused": f"cannot be made: {type(error).__name__}: {str(error)[:120]}"}
    network = _stirred(network.eval())
    row["params_m"] = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    pixels = hasattr(network, "opaque")
    began = time.process_time()
    try:
        traced = trace(network, torch.zeros(1, 3, side, side, dtype=torch.uint8 if pixels else torch.float32))
        points = points_of(traced)
        row["seen"], row["cuts"] = traced.seen, len(points)
        row["useful"] = sum(point.macs > 0 for point in points)
        row["see_s"] = time.process_time() - began
        chosen = {points[len(points) * quarter // 4].name for quarter in (1, 2, 3)}
        nets = [split_traced(traced, at) for at in chosen]
        row["seconds"] = time.process_time() - began
        with torch.no_grad():
            outputs = tensors_in(network(torch.zeros(1, 3, side, side).to(traced.probe.dtype)))
        sizes = (tensor.double().nan_to_num().abs().max().item() for tensor in outputs if tensor.numel())
        row["reach"] = max(sizes, default=0.0)  # of the outputs, which have to be something
        row["worst"] = max(_worst(network, net, side, batch, pixels) for net in nets for batch in (1, 3))
    except Exception as error:
        row["refused"] = f"{type(error).__name__}: {error}"
        row.setdefault("seconds", time.process_time() - began)
    return row


def _worst(network: nn.Module, net: nn.Module, side: int, batch: int, pixels: bool) -> float:
    images = (
        torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8)
        if pixels
        else torch.randn(batch, 3, side, side)
    )
    with torch.no_grad():
        ours, theirs = tensors_in(net(images)), tensors_in(network(images))
    assert len(ours) == len(theirs), "another number of tensors"
    return max((_difference(one, other) for one, other in zip(ours, theirs, strict=True)), default=0.0)


def _difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the network's largest value; infinite where one alone is no number."""
    if not theirs.numel():
        return 0.0
    if not torch.equal(ours.isnan(), theirs.isnan()):
        return float("inf")
    scale = theirs.double().nan_to_num().abs().max().item() or 1.0
    return (ours.double() - theirs.double()).nan_to_num(0.0).abs().max().item() / scale


@torch.no_grad()
def _stirred(network: nn.Module) -> nn.Module:
    """The network with noise where its constructor left constants: zeros would prove nothing."""
    for parameter in network.parameters():
        if parameter.is_floating_point() and parameter.numel() > 1 and parameter.min() == parameter.max():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown, and each library's share of networks with at least three useful cuts."""
    header = ["library", "network", "M params", "closed cuts", "with work before", "worst", "seconds", "seen"]
    cells = [
        [
            row["library"],
            row["network"],
            f"{row.get('params_m', 0):.1f}",
            row.get("cuts", 0),
            row.get("useful", 0),
            f"{row['worst']:.0e}" if "worst" in row else "",
            f"{row['seconds']:.1f}" if "seconds" in row else "",
            row["refused"][:160] if "refused" in row else row["seen"],
        ]
        for row in rows
    ]
    shares = []
    for library in dict.fromkeys(row["library"] for row in rows):
        own = [row for row in rows if row["library"] == library]
        good = sum("refused" not in row and row["useful"] >= 3 for row in own)
        shares.append(f"{library}: {good} of {len(own)}")
    return tabulate(cells, header, tablefmt="github", disable_numparse=True) + "\n\n" + "; ".join(shares)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write the rows beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("libraries", nargs="*", default=list(LIBRARIES), help=f"of {', '.join(LIBRARIES)}")
    parser.add_argument("--only", default="", help="networks with this in their name")
    parser.add_argument("--rows", type=Path, default=Path("coverage.jsonl"), help="where rows are appended")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # other people's constructors warn
    rows = []
    for library in given.libraries:
        names, make = LIBRARIES[library]
        for name in names:
            if given.only in name:
                row = covered(library, name, make)
                rows.append(row)
                with given.rows.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
