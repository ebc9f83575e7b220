"""Networks of other packages in somebody's LightningModule: trained, sent, bundled and exported."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import bottleneck
from bottleneck import models
from bottleneck.deploy.export import export
from tests.graphs import graphs_of
from tests.plugin.helpers import QUIET, make_plugin

pytestmark = [
    pytest.mark.slow,
    QUIET,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # the exporter's own
]

BLOCKS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
VIT = {**BLOCKS, "image_size": 32, "patch_size": 8}
STAGES = {"depths": [1] * 4, "hidden_sizes": [8, 8, 16, 16], "num_attention_heads": [1, 1, 2, 2]}
SEGFORMER = {**STAGES, "decoder_hidden_size": 16}


def of_timm(name, **options):
    timm = pytest.importorskip("timm", reason="extra `timm` is not installed")
    return timm.create_model(name, num_classes=2, **options)


def of_huggingface(name, config):
    transformers = pytest.importorskip("transformers", reason="extra `huggingface` is not installed")
    kind = getattr(transformers, name)
    return kind(kind.config_class(**config, num_labels=2))


def unet():
    package = pytest.importorskip("segmentation_models_pytorch", reason="the library is not installed")
    return package.Unet("resnet18", encoder_weights=None, classes=2)


#: How each is made, its cut, and the unit there: a hook sees one tensor, of a U-Net its first skip.
NETWORKS = {
    "timm-cnn": (lambda: of_timm("test_efficientnet"), "blocks.2", "depthwise"),
    "timm-vit": (lambda: of_timm("test_vit", img_size=32), "blocks.1", "tokens"),
    "hf-vit": (lambda: of_huggingface("ViTForImageClassification", VIT), "vit.layers.0", "tokens"),
    "hf-segformer": (
        lambda: of_huggingface("SegformerForSemanticSegmentation", SEGFORMER),
        "segformer.stages.0",
        "plain",
    ),
    "yolox-nano": (lambda: models.create("yolox_nano", num_classes=2).network, "dark3", "plain"),
    "smp-unet": (unet, "encoder.relu", "plain"),
}


STEPS = {"yolox-nano": 1e-4}  # with random weights and pixels up to 1, its features are small


def module_around(pl, network):
    """Somebody's module: two classes are told by the mean of all that the network says of an image."""

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = network

        def training_step(self, batch, batch_idx):
            images, labels = batch
            output = self.model(images)
            output = getattr(output, "logits", output)
            return F.cross_entropy(output.reshape(*output.shape[:2], -1).mean(-1)[:, :2], labels)

        def test_step(self, batch, batch_idx):
            self.log("loss", self.training_step(batch, batch_idx))

        def predict_step(self, batch, batch_idx):
            return self.model(batch[0])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return Module()


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_way_by_the_plugin(name, pl, trainer_of, tmp_path):
    """Tested through real bytes; the loaded halves are those bytes' answer, and the graphs do the same."""
    make, at, kind = NETWORKS[name]
    torch.manual_seed(0)
    module = module_around(pl, make())
    images = torch.rand(8, 3, 32, 32)
    loader = DataLoader(TensorDataset(images, torch.tensor([0, 1] * 4)), batch_size=4)
    plugin = make_plugin(f"model.{at}", kind=kind, latent_channels=4, stride=1, step=STEPS.get(name, 0.05))
    trainer = trainer_of(pl, plugin)
    trainer.fit(module, loader)
    (logged,) = trainer.test(module, loader, verbose=False)
    plugin.export(tmp_path / "bundle")
    (through_bytes, _) = trainer.predict(module, loader)
    plugin.detach(module)

    device, server = bottleneck.load(tmp_path / "bundle", module.model)
    payload = device(images[0])
    sizes = [len(device(image)) for image in images]
    assert logged["test/payload_bytes"] == pytest.approx(np.mean(sizes), rel=0.02)
    output = server.output(payload)
    assert type(output) is type(through_bytes)
    expected = getattr(through_bytes, "logits", through_bytes)[:1].numpy()
    near = {"rtol": 1e-3, "atol": 1e-3 * np.abs(expected).max()}
    np.testing.assert_allclose(getattr(output, "logits", output), expected, **near)
    symbols = device.bundle.codec.decode(payload)[None]
    for target in ("onnx", "torch"):
        export(tmp_path / "bundle", module.model, tmp_path / target, target=target)
        ours, theirs = graphs_of(tmp_path / target)
        assert np.mean(ours(images[:1]) != symbols) < 0.02  # those on the boundary between two
        np.testing.assert_allclose(theirs(symbols), expected, **near)
