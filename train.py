"""Train one bottleneck, code the validation set through it, and export it.

python train.py                                  # embedded digits, seconds on a laptop
python train.py experiment=imagenette data.root=PATH unit.step=4 alpha=0.03 seed=0
python train.py -m unit.step=1,2,4 alpha=0.1,1   # Hydra's multirun
"""

import dataclasses
import logging
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning import seed_everything

from bottleneck.config import config_dir
from bottleneck.experiment import (
    Experiment,
    also_methods,
    new_trainer,
    run_outputs,
    suite_methods,
    train_method,
)
from bottleneck.report import draw_rate_accuracy, table
from bottleneck.results import Result, write_results

log = logging.getLogger(__name__)


def train(cfg: DictConfig, folder: Path) -> list[Result]:
    """Train, code, measure and export one operating point.

    Args:
        cfg: The composed configuration (`conf/train.yaml`).
        folder: The run's folder, which receives results.jsonl, bundle/, the picture, logs and checkpoints.

    Returns:
        The rows of results.jsonl: the frozen network, the bottleneck, its latent through `also_codecs`, then
        the suite's methods.
    """
    experiment = Experiment.from_config(cfg)
    net = experiment.split(cfg.split)
    features = experiment.features(net)
    # Behind the features, because filling their cache draws random numbers and reading it does not.
    seed_everything(cfg.seed, workers=True, verbose=False)
    unit = experiment.new_unit(net, features)
    log.info(
        "%s cut at %s: feature %s, latent %s",
        experiment.model.name,
        net.point.name,
        net.point.shape,
        unit.latent_shape,
    )

    also, untrained = also_methods(cfg, unit), suite_methods(cfg.suite, net, "feature")
    trainer = new_trainer(cfg, *run_outputs(folder), default_root_dir=folder)
    trained = train_method(experiment, net, features, unit, trainer, cfg.ckpt_path)
    if trained is None:
        return []
    further = [*also, *untrained]
    for method in further:
        method.fit(features.batches("train"))
    rows = experiment.measure(net, features, [trained, *further], cfg.subset)
    experiment.bundle(net, unit, trained.codec, dataclasses.asdict(rows[1])).save(folder / "bundle")

    if cfg.suite.input:
        whole = experiment.split("input")
        images = experiment.features(whole)
        pixel_methods = suite_methods(cfg.suite, whole, "input")
        for method in pixel_methods:
            method.fit(images.batches("train"))
        rows += experiment.measure(whole, images, pixel_methods, cfg.subset)[1:]
    write_results(rows, folder / "results.jsonl")
    draw_rate_accuracy(rows, folder / "rate_accuracy.png")
    return rows


@hydra.main(version_base="1.3", config_path=config_dir(), config_name="train")
def main(cfg: DictConfig) -> None:
    """Compose the configuration, train, and print the table."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    if rows := train(cfg, folder):
        print(table(rows))
        print(f"\nWritten to {folder}: results.jsonl, bundle/, rate_accuracy.png")


if __name__ == "__main__":
    main()
