"""Networks of other packages from the command line: trained, evaluated, loaded, exported both ways.

YOLOX-Nano goes the same way in `test_train_single_stage.py`.
"""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from safetensors.torch import save_file

import bottleneck
from bottleneck.commands.config import config_dir
from bottleneck.commands.construct import construct
from bottleneck.commands.evaluate import evaluate
from bottleneck.commands.train import train_and_measure
from bottleneck.deploy.export import export
from tests.graphs import graphs_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),  # Lightning's advice is not ours to follow here
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # the exporter's own
]

SHORT = (
    *("device=cpu", "trainer.enable_progress_bar=false", "trainer.max_epochs=1", "data.batch_size=4"),
    *("suite.feature=null", "also_codecs=[]", "unit.latent_channels=4", "unit.stride=1", "unit.step=0.05"),
)
PHOTOGRAPHS = ("model.num_classes=2", "data=imagefolder", "data.short_side=32", "data.crop=32")
SCENES = ("task=segmentation", "data=scenes", "data.train_scenes=8", "data.val_scenes=4")
VIT = (
    "hidden_size:16,num_hidden_layers:2,num_attention_heads:2,intermediate_size:16,patch_size:8,image_size:32"
)
SEGFORMER = "depths:[1,1,1,1],hidden_sizes:[8,8,16,16],num_attention_heads:[1,1,2,2],decoder_hidden_size:16"
UNET = "segmentation_models_pytorch.Unet"

#: The package of each, the network, where it is cut, and on what.
NETWORKS = {
    "timm-cnn": (
        "timm",
        "model=timm model.name=test_efficientnet split=blocks.2 unit=depthwise",
        PHOTOGRAPHS,
    ),
    "timm-vit": (
        "timm",
        "model=timm model.name=test_vit +model.img_size=32 split=blocks.1 unit=tokens",
        PHOTOGRAPHS,
    ),
    "hf-vit": (
        "transformers",
        f"model=huggingface model.name=vit model.config={{{VIT}}} split=vit.layers.0 unit=tokens",
        PHOTOGRAPHS[:2],  # their size is the network's own
    ),
    "hf-segformer": (
        "transformers",
        f"model=huggingface model.name=segformer model.config={{{SEGFORMER}}} model.segments=true "
        "model.num_classes=11 split=segformer.stages.0.blocks.0 unit=tokens",
        SCENES,
    ),
    "smp-unet": (  # three skips cross beside the last stage
        "segmentation_models_pytorch",
        f"model=custom model.network._target_={UNET} +model.network.encoder_name=resnet18 "
        "+model.network.encoder_weights=null +model.network.classes=11 "
        "split=encoder.layer3 unit=asymmetric unit.width=8 rate=density",
        SCENES,
    ),
}


def composed(name, overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, [*SHORT, *overrides])


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_way_from_the_command_line(name, photographs, tmp_path):
    """A bundle measures what the run measured, and its graphs do what device and server do."""
    package, network, data = NETWORKS[name]
    pytest.importorskip(package, reason="the library is not installed")
    given = [*network.split(), *data, *([] if data is SCENES else [f"data.root={photographs}"])]
    torch.manual_seed(0)
    weights = tmp_path / "weights.safetensors"
    save_file(construct(composed("train", given).model).network.state_dict(), weights)
    given.append(f"model.weights={weights}")

    cfg = composed("train", given)
    row = train_and_measure(cfg, tmp_path / "run")[1]
    bundle = tmp_path / "run" / "bundle"
    (tmp_path / "again").mkdir()
    again = evaluate(composed("evaluate", [*given, f"bundles=['{bundle}']"]), tmp_path / "again")
    (measured,) = (row for row in again if row.kind == "trained")
    assert (measured.value, measured.payload_bytes) == (row.value, row.payload_bytes)

    model = construct(cfg.model)
    device, server = bottleneck.load(bundle, model)
    images = construct(cfg.data).suited(model.preprocessing)
    assert device.bundle.preprocessing == images.preprocessing
    image, _ = images.subset("val")[0]
    payload = device(image)
    symbols, expected = device.bundle.codec.decode(payload)[None], server.output(payload).numpy()
    assert symbols.any()
    for target in ("onnx", "torch"):
        export(bundle, model, tmp_path / target, target=target)
        ours, theirs = graphs_of(tmp_path / target)
        assert np.mean(ours(image[None]) != symbols) < 0.02  # those on the boundary between two
        np.testing.assert_allclose(theirs(symbols), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
