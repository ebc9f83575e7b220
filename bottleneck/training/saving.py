"""Checkpoints that are whole whenever the training is killed."""

from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io import TorchCheckpointIO

from bottleneck.files import replace_file


class WholeCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its name and put it there in one step.

    Lightning writes it to the system's folder for temporary files and moves it from there, which copies where
    that is another disk: a kill meanwhile leaves a torn checkpoint in the place of the last whole one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Replace the file; a path with a scheme, such as `s3://`, is Lightning's."""
        if "://" in str(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replace_file(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)
