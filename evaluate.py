"""Start `bottleneck evaluate` in a checkout, as in `python evaluate.py bundles='[outputs/RUN/bundle]'`."""

from bottleneck.commands import main

if __name__ == "__main__":
    main("evaluate")
