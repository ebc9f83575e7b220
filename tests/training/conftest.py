"""What the trainings of this folder have in common."""

import pytest
from pytorch_lightning import Trainer


@pytest.fixture
def new_trainer(tmp_path):
    """Makes Trainers that say and keep nothing, from Lightning's options."""

    def make(**options):
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        return Trainer(accelerator="cpu", default_root_dir=tmp_path, logger=False, **quiet, **options)

    return make
