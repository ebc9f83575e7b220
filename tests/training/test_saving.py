"""Checkpoints are whole or not there."""

import multiprocessing
import os
import random
import signal
import tempfile
import time

import pytest
import torch

from bottleneck.training import Recipe


def save_for_ever(checkpoints, path, elsewhere):
    tempfile.tempdir = elsewhere
    while True:
        checkpoints.save_checkpoint({"state_dict": {"weight": torch.zeros(500_000)}}, path)


def test_kill_while_saving_leaves_the_last_whole_checkpoint(tmp_path):
    """Whenever a training is killed, and wherever temporary files are, its checkpoint can be read."""
    elsewhere = "/dev/shm" if os.path.isdir("/dev/shm") else None
    checkpoints, path = Recipe().new_trainer().strategy.checkpoint_io, tmp_path / "run" / "last.ckpt"
    checkpoints.save_checkpoint({"state_dict": {}}, path)
    rng = random.Random(0)
    for _ in range(10):
        arguments = (checkpoints, path, elsewhere)
        writer = multiprocessing.get_context("fork").Process(target=save_for_ever, args=arguments)
        writer.start()
        time.sleep(rng.uniform(0.05, 0.15))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert "state_dict" in torch.load(path, weights_only=True)


def test_a_flipped_bit_is_noticed_before_the_training_goes_on(tmp_path):
    """A checkpoint in which one bit of a tensor has changed is refused by name; the whole one is read."""
    checkpoints, path = Recipe().new_trainer().strategy.checkpoint_io, tmp_path / "last.ckpt"
    checkpoints.save_checkpoint({"state_dict": {"weight": torch.zeros(1000)}}, path)
    assert "weight" in checkpoints.load_checkpoint(path)["state_dict"]
    data = bytearray(path.read_bytes())
    data[data.index(bytes(2000)) + 999] ^= 4
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged"):
        checkpoints.load_checkpoint(path)
