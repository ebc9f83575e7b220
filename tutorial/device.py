"""Step 3: the device holds the first half. It sends each picture as a few bytes and reads the answer.

python tutorial/device.py outputs/tutorial 6000
"""

import sys
from multiprocessing.connection import Client
from pathlib import Path

import torch
from network import DigitNet, PlacedDigits

import bottleneck


def main(folder: Path, port: int) -> None:
    """Send the test pictures and count how many answers are right."""
    network = DigitNet()
    network.load_state_dict(torch.load(folder / "network.pth"))
    device, _ = bottleneck.load(folder / "bundle", network)
    pictures, sent, right = PlacedDigits(train=False), 0, 0
    with Client(("localhost", port)) as server:
        for index in range(len(pictures)):
            picture, label = pictures[index]
            payload = device(picture)
            server.send_bytes(payload)
            sent += len(payload)
            right += server.recv_bytes()[0] == label
    n = len(pictures)
    print(f"{n} pictures: accuracy {right / n:.3f} from {sent / n:.1f} bytes each")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
