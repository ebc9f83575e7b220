"""Start `bottleneck train` in a checkout, as in `python train.py unit.step=4 alpha=0.1`."""

from bottleneck.commands import main

if __name__ == "__main__":
    main("train")
