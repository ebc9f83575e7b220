"""Step 1: train your network as you always do; then train a bottleneck in it, measure it and export it.

python tutorial/train.py outputs/tutorial
"""

import logging
import sys
from pathlib import Path

import torch
from network import DigitNet, PlacedDigits
from pytorch_lightning import LightningModule, Trainer, seed_everything
from torch.nn import functional as F
from torch.utils.data import DataLoader

import bottleneck


class LitDigits(LightningModule):
    """Your LightningModule, as it is."""

    def __init__(self):
        super().__init__()
        self.network = DigitNet()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self.network(images), labels)

    def test_step(self, batch, batch_idx):
        images, labels = batch
        self.log("accuracy", (self.network(images).argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters())
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def main(folder: Path) -> None:
    """Train the network, then the bottleneck, and write both into the folder."""
    seed_everything(0, verbose=False)
    torch.set_num_threads(1)  # the pictures are small: more threads would wait for each other
    train = DataLoader(PlacedDigits(train=True), batch_size=50, shuffle=True)
    test = DataLoader(PlacedDigits(train=False), batch_size=50)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # no greetings
    options = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }

    # What you have already: a trained network.
    module = LitDigits()
    trainer = Trainer(max_epochs=25, **options)
    trainer.fit(module, train)
    (whole,) = trainer.test(module, test, verbose=False)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(module.network.state_dict(), folder / "network.pth")

    # What is new: one callback. Your module, your data and your loss stay as they are.
    plugin = bottleneck.BottleneckPlugin(
        at="network.layer3",  # cut behind this module: its 64×4×4 output is what has to be sent
        latent_channels=8,  # send 8×2×2 integers instead
        stride=2,
        step=0.5,
        alpha=30.0,  # weight of your loss against the rate; larger: more bytes, better results
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-2),
    )
    trainer = Trainer(max_epochs=12, callbacks=[plugin], **options)
    trainer.fit(module, train)
    (split,) = trainer.test(module, test, verbose=False)  # your metric, through bytes that were sent and read
    plugin.export(folder / "bundle")

    print(f"whole network: accuracy {whole['accuracy']:.3f}")
    print(f"cut in two:    accuracy {split['accuracy']:.3f} from {split['test/payload_bytes']:.1f} bytes")
    print("the picture itself: 1024 bytes; the feature at the cut: 4096 bytes in float32")
    print(f"written to {folder}: network.pth, bundle/")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
