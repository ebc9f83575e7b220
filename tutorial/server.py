"""Step 2: the server holds the second half. It waits for payloads and answers each with a digit.

python tutorial/server.py outputs/tutorial 6000
"""

import sys
from multiprocessing.connection import Listener
from pathlib import Path

import torch
from network import DigitNet

import bottleneck


def main(folder: Path, port: int) -> None:
    """Serve one device until it hangs up."""
    network = DigitNet()
    network.load_state_dict(torch.load(folder / "network.pth"))
    _, server = bottleneck.load(folder / "bundle", network)
    with Listener(("localhost", port)) as listener:
        print("waiting for a device", flush=True)
        with listener.accept() as device:
            try:
                while True:
                    logits = server(device.recv_bytes())
                    device.send_bytes(bytes([int(logits.argmax())]))
            except EOFError:
                print("the device has hung up")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
