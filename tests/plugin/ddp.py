"""What each of two DDP processes runs for `test_callback.py`; it writes down what it has seen."""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import bottleneck
from bottleneck.models import weights_identity

if __name__ == "__main__":
    import pytorch_lightning as pl

    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    spec = importlib.util.spec_from_file_location("modules", Path(__file__).with_name("conftest.py"))
    modules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(modules)
    torch.manual_seed(0)
    module, samples = modules.plain_module(pl), modules.digits_loader().dataset
    before = weights_identity(module)
    plugin = bottleneck.BottleneckPlugin("stage", latent_channels=8, stride=2, step=0.02, alpha=30.0)
    batches = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            batches.append(batch[1].tolist())

    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_epochs=2,
        callbacks=[plugin, Watch()],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
    )
    trainer.fit(module, DataLoader(samples, batch_size=32, shuffle=True), DataLoader(samples, batch_size=32))
    report = {
        "unit": weights_identity(plugin.unit),
        "codec": plugin._hook.channel.codec.to_dict(),
        "batches": batches,
        "frozen": weights_identity(module) == before,
        "payload_bytes": trainer.callback_metrics["val/payload_bytes"].item(),
        "sizes": plugin._hook.payload_bytes,
    }
    plugin.export(folder / "bundle")
    (folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(report))
