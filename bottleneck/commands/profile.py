"""`bottleneck profile`: what a network's split points and stages cost."""

import dataclasses
import json
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bottleneck.commands.construct import construct
from bottleneck.files import replace_text
from bottleneck.models import Detector
from bottleneck.show.split_points import draw_sizes, draw_stages, profile_table, seen, stage_table, verdict
from bottleneck.splitting import boundaries
from bottleneck.splitting.graph import trace
from bottleneck.splitting.points import points_of


def run(cfg: DictConfig) -> None:
    """Print the tables and draw the pictures."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    model = construct(cfg.model, weights=None)  # sizes do not depend on weights, so none are downloaded
    if isinstance(model, Detector):
        model.find_all()
    given = cfg.input_shape
    shape = model.input_shape if given is None else list(given) if OmegaConf.is_list(given) else [given]
    if len(shape) != 3 or not all(type(side) is int and side > 0 for side in shape):
        raise ValueError(f"input_shape={shape} must be [C, H, W], whole numbers of at least 1.")
    if type(cfg.depth) is not int or cfg.depth < 1:
        raise ValueError(f"depth={cfg.depth} is no level of modules. Use 1 or more.")
    traced = trace(model, torch.zeros(1, *shape, dtype=torch.uint8))
    points, stages = points_of(traced, cfg.tensors), boundaries(traced, cfg.depth)
    print(profile_table(points), stage_table(stages), verdict(points), seen(traced), sep="\n\n")
    if (preprocessing := model.preprocessing) is not None:
        told = " ".join(f"data.{key}={value}" for key, value in preprocessing.items()).replace(", ", ",")
        print(f"\nIts own library feeds it images of {told}, and so do data sets of photographs.")
    for rows, file in ((points, "profile.jsonl"), (stages, "stages.jsonl")):
        lines = (json.dumps(dataclasses.asdict(row)) for row in rows)
        replace_text(folder / file, "\n".join(lines) + "\n")
    draw_sizes(points, model.name, folder / "profile.png")
    draw_stages(stages, model.name, folder / "stages.png")
    print(f"\nWritten to {folder}: profile.jsonl, profile.png, stages.jsonl, stages.png")
