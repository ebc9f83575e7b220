"""Checkpoints that are whole whenever the training is killed, and whatever the disk did to them since."""

from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io import TorchCheckpointIO

from bottleneck.files import replace_file
from bottleneck.integrity.archive import require_whole


class WholeCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its name and put it there in one step; read one only as it was written.

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

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read it, once its checksums are found right; a path with a scheme is Lightning's.

        Raises:
            ValueError: If a bit of it has changed.
        """
        if "://" not in str(path):
            require_whole(Path(path))
        return super().load_checkpoint(path, *args, **kwargs)
