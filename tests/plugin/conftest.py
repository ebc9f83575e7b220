"""Three LightningModules that have never heard of us, each written in another style, for both packages."""

import importlib
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


@pytest.fixture(params=["pytorch_lightning", "lightning.pytorch"])
def package(request) -> ModuleType:
    """The two packages that Lightning comes as."""
    return importlib.import_module(request.param)


@pytest.fixture
def pl() -> ModuleType:
    """The package that we depend on."""
    return importlib.import_module("pytorch_lightning")


def plain_module(pl: ModuleType):
    """The network's layers are the module's own, and there is nothing but what Lightning demands."""

    class Plain(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
            self.stage = nn.Sequential(nn.Conv2d(16, 32, 3, 2, padding=1), nn.BatchNorm2d(32), nn.ReLU())
            self.dropout = nn.Dropout(0.5)
            self.fc = nn.Linear(32, 10)

        def forward(self, x):
            return self.fc(self.dropout(self.stage(self.stem(x)).mean((2, 3))))

        def training_step(self, batch, batch_idx):
            x, y = batch
            return F.cross_entropy(self(x), y)

        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.log("accuracy", (self(x).argmax(1) == y).float().mean())

        test_step = validation_step

        def predict_step(self, batch, batch_idx):
            return self(batch[0])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return Plain()


def scheduled_module(pl: ModuleType):
    """A network of its own, torchmetrics, a scheduler with its own stepping, and a loss in a dictionary."""
    import torchmetrics

    class Scheduled(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.save_hyperparameters()
            self.accuracy = torchmetrics.classification.MulticlassAccuracy(10)
            self.criterion = nn.CrossEntropyLoss(weight=torch.ones(10))

        def configure_model(self):
            if hasattr(self, "net"):
                return
            blocks = [
                nn.Sequential(nn.Conv2d(a, b, 3, s, padding=1), nn.BatchNorm2d(b), nn.ReLU())
                for a, b, s in [(1, 16, 1), (16, 32, 2), (32, 48, 1)]
            ]
            self.net = nn.Sequential(
                *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(48, 10)
            )

        def training_step(self, batch):
            self.log("train_images", float(len(batch[0])))
            logits = self.net(batch[0])
            self.log("train_lr", self.trainer.optimizers[0].param_groups[0]["lr"])
            loss = self.criterion(logits, batch[1])
            self.log("train_loss", loss, prog_bar=True)
            return {"loss": loss, "logits": logits.detach()}

        def _evaluate(self, batch, stage):
            logits = self.net(batch[0])
            self.accuracy(logits, batch[1])
            self.log(f"{stage}_accuracy", self.accuracy)

        def validation_step(self, batch, batch_idx):
            self._evaluate(batch, "val")

        def test_step(self, batch, batch_idx):
            self._evaluate(batch, "test")

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3)
            schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": schedule, "monitor": "val_accuracy"},
            }

        def lr_scheduler_step(self, scheduler, metric):
            scheduler.step(metrics=metric)

    return Scheduled()


def segmentation_module(pl: ModuleType):
    """One of torchvision's segmentation networks, whose output is a dictionary."""
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

    class Segmentation(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)

        def forward(self, images):
            return self.model(images)["out"]

        def _step(self, batch, stage):
            images, masks = batch
            loss = F.cross_entropy(self(images), masks)
            self.log(f"{stage}/loss", loss)
            return loss

        def training_step(self, batch, batch_idx):
            return self._step(batch, "train")

        def validation_step(self, batch, batch_idx):
            self._step(batch, "val")

        def test_step(self, batch, batch_idx):
            self._step(batch, "test")

        def configure_optimizers(self):
            return [torch.optim.SGD(self.parameters(), lr=0.1)], []

    return Segmentation()


def digits_loader(n: int = 256) -> DataLoader:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.tensor(digits.images[:n, None], dtype=torch.float32) / 16
    return DataLoader(TensorDataset(images, torch.tensor(digits.target[:n])), batch_size=32, shuffle=True)


def scenes_loader(n: int = 8) -> DataLoader:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(n, 3, 64, 48, generator=generator)
    return DataLoader(TensorDataset(images, (3 * images[:, 0]).long().clamp(max=2)), batch_size=4)


STYLES = {
    "plain": (plain_module, "stage", digits_loader),
    "scheduled": (scheduled_module, "net.1", digits_loader),
    "segmentation": (segmentation_module, "model.backbone.13", scenes_loader),
}


@pytest.fixture(params=list(STYLES))
def style(request, package) -> SimpleNamespace:
    """A module, where to cut it, and its data."""
    make, at, loader = STYLES[request.param]
    torch.manual_seed(0)
    return SimpleNamespace(name=request.param, module=make(package), at=at, loader=loader(), package=package)


@pytest.fixture
def plain(pl) -> SimpleNamespace:
    """The plain module alone."""
    torch.manual_seed(0)
    return SimpleNamespace(module=plain_module(pl), at="stage", loader=digits_loader(), package=pl)


@pytest.fixture
def trainer_of(tmp_path):
    """Makes quiet trainers."""

    def make(package: ModuleType, *callbacks, **options):
        defaults = {
            "max_epochs": 1,
            "accelerator": "cpu",
            "default_root_dir": tmp_path,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
            "logger": False,
        }
        return package.Trainer(callbacks=list(callbacks), **{**defaults, **options})

    return make
