"""PyTorch's files are read only as they were written."""

import random

import pytest
import torch

from bottleneck.integrity.archive import require_whole


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a few tensors."""
    path = tmp_path / "weights.ckpt"
    torch.manual_seed(0)
    torch.save({"state_dict": {str(number): torch.randn(9, number) for number in range(1, 6)}}, path)
    return path


def test_no_flipped_bit_changes_a_tensor(saved):
    """Whichever bit of a checkpoint flips, it is refused by name, or its tensors are the saved ones."""
    data, expected = saved.read_bytes(), torch.load(saved)["state_dict"]
    rng, refused = random.Random(0), 0
    directory = data.index(b"PK\x01\x02")
    places = [rng.randrange(8 * len(data)) for _ in range(300)]
    places += [rng.randrange(8 * directory, 8 * len(data)) for _ in range(300)]  # sizes, offsets and names
    for place in places:
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        saved.write_bytes(flipped)
        try:
            require_whole(saved)
            found = torch.load(saved)["state_dict"]
        except Exception as error:  # torch refuses some with errors of its own
            refused += "weights.ckpt is damaged" in str(error)
        else:
            assert all(torch.equal(found[name], tensor) for name, tensor in expected.items()), place
    assert refused > len(places) / 5


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_truncated_archive_is_refused(saved, kept):
    """A copy that broke off is refused, with what to do."""
    data = saved.read_bytes()
    saved.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ValueError, match=r"weights\.ckpt is damaged .*Copy it again"):
        require_whole(saved)


def test_files_of_another_kind_are_left_to_their_readers(tmp_path):
    """What PyTorch wrote before 1.6 is no archive, and nothing is said of it."""
    torch.save({"weight": torch.ones(3)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    require_whole(tmp_path / "old.pth")
