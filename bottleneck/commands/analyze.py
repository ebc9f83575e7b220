"""`bottleneck analyze`: each answer as a line, a JSON file and a picture; see `bottleneck.analyze`."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bottleneck.analyze import figures
from bottleneck.analyze.coefficients import Coefficients
from bottleneck.analyze.differences import Differences, panned
from bottleneck.analyze.fourier import Fourier
from bottleneck.analyze.motion import Motion
from bottleneck.analyze.quantization import Quantization
from bottleneck.analyze.relevance import Relevance, relevance_of
from bottleneck.analyze.samples import Samples
from bottleneck.analyze.similarity import Similarity
from bottleneck.analyze.sizes import Sizes
from bottleneck.commands.setup import cut_of
from bottleneck.commands.values import listed
from bottleneck.files import replace_text


def answer(question: str, samples: Samples, cfg: DictConfig) -> Any:
    """One analysis.

    Args:
        question: One of `figures.DRAW`.
        samples: What is analysed.
        cfg: The composed configuration, for the analysis's own options.

    Raises:
        ValueError: If there is no such analysis, or an option of it is impossible.
    """
    features = samples.features
    match question:
        case "coefficients":
            return Coefficients.of(features)
        case "differences":
            options = cfg.differences
            before = samples.features_of(panned(samples.images, options.pan))
            same_output = samples.logits(features).argmax(1) == samples.logits(before).argmax(1)
            frames = f"synthetic, a pan by {options.pan} px"
            return Differences.of(features, before, options.bits, frames, float(same_output.float().mean()))
        case "fourier":
            return Fourier.of(features, cfg.fourier.fractions, samples.metric)
        case "motion":
            return Motion.of(samples.images, samples.features_of, cfg.motion.pixels, cfg.motion.radius)
        case "quantization":
            training = samples.features_of(samples.training)
            return Quantization.of(features, training, cfg.quantization, samples.metric)
        case "relevance":
            return Relevance.of(features, relevance_of(samples.tail, features), cfg.relevance.top)
        case "similarity":
            return Similarity.of(features, cfg.similarity.pool)
        case "sizes":
            images = samples.images.numpy()
            return Sizes.of(images, features, cfg.sizes, samples.image_scores, samples.feature_scores)
    raise ValueError(f"analyses: {question!r} is unknown. Choose from {list(figures.DRAW)}.")


def run(cfg: DictConfig) -> None:
    """Ask every question, write and draw the answers."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    if not (questions := listed(cfg.analyses)):
        raise ValueError(f"analyses={cfg.analyses} asks nothing. Choose from {', '.join(figures.DRAW)}.")
    samples = Samples.of(cut_of(cfg), cfg.samples, cfg.subset)
    print(samples.title)
    for question in questions:
        found = answer(question, samples, cfg)
        print(f"{question}: {found.summary}")
        replace_text(folder / f"{question}.json", json.dumps(dataclasses.asdict(found), indent=1) + "\n")
        figures.DRAW[question](found, samples.title, folder / f"{question}.png")
    print(f"\nWritten to {folder}: a .json and a .png of each")
