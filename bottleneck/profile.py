"""The table of every split point of a network: sizes, work and parameters before it.

python -m bottleneck.profile model=resnet50
python -m bottleneck.profile model=torchvision model.name=vgg16 input_shape=[3,160,160]
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import hydra
import matplotlib
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from tabulate import tabulate

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from bottleneck.config import config_dir
from bottleneck.splitting import SplitPoint, split_points


def profile_table(points: Sequence[SplitPoint]) -> str:
    """Split points as a Markdown table; KiB of float32, MACs of one image."""
    header = [
        "split point",
        "also",
        "shape",
        "layout",
        "KiB",
        "× input",
        "MMACs before",
        "%",
        "params before",
        "%",
    ]
    rows = [
        [
            point.name,
            " ".join(point.aliases[:1]),
            "×".join(map(str, point.shape)),
            point.layout,
            f"{point.nbytes / 1024:,.1f}",
            f"{point.input_ratio:.2f}",
            f"{point.macs / 1e6:,.1f}",
            f"{100 * point.macs_share:.2f}",
            f"{point.params:,}",
            f"{100 * point.params_share:.2f}",
        ]
        for point in points
    ]
    return tabulate(
        rows, header, tablefmt="github", disable_numparse=True, colalign=["left"] * 4 + ["right"] * 6
    )


def draw_sizes(points: Sequence[SplitPoint], name: str, path: Path) -> None:
    """Draw the size at every split point with the line at the input's, and the share of MACs before it."""
    figure, axes = plt.subplots(figsize=(max(6.0, 0.28 * len(points)), 5), layout="constrained")
    positions = range(len(points))
    input_size = points[0].nbytes / 1024
    colours = ["tab:green" if point.nbytes < points[0].nbytes else "tab:grey" for point in points]
    axes.bar(positions, [point.nbytes / 1024 for point in points], color=colours)
    axes.axhline(input_size, color="tab:red", linestyle="--", label=f"input: {input_size:,.1f} KiB")
    axes.set_yscale("log")
    axes.set_ylabel("feature in float32 (KiB)")
    axes.set_xticks(positions, [point.name for point in points], rotation=90, fontsize="x-small")
    axes.set_title(f"{name}: {len(points)} closed cuts; green ones are smaller than the input")
    axes.set_ylim(top=4 * max(point.nbytes for point in points) / 1024)  # room for the legend
    axes.legend(loc="upper left")
    share = axes.twinx()
    share.plot(positions, [100 * point.macs_share for point in points], color="tab:blue", marker=".")
    share.set_ylabel("MACs before the cut (%)", color="tab:blue")
    share.set_ylim(0, 105)
    figure.savefig(path, dpi=150)
    plt.close(figure)


@hydra.main(version_base="1.3", config_path=config_dir(), config_name="profile")
def main(cfg: DictConfig) -> None:
    """Compose the configuration, print the table and draw the picture."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    model = instantiate(cfg.model, weights=None)  # sizes do not depend on weights, so none are downloaded
    shape = cfg.input_shape or model.input_shape
    points = split_points(model, torch.zeros(1, *shape, dtype=torch.uint8))
    print(profile_table(points))
    lines = (json.dumps(dataclasses.asdict(point)) for point in points)
    (folder / "profile.jsonl").write_text("\n".join(lines) + "\n")
    draw_sizes(points, model.name, folder / "profile.png")
    print(f"\nWritten to {folder}: profile.jsonl, profile.png")


if __name__ == "__main__":
    main()
