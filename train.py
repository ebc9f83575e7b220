"""Train one bottleneck, code the validation set through it, and export it.

python train.py                                  # embedded digits, seconds on a laptop
python train.py experiment=imagenette data.root=PATH unit.step=4 alpha=0.03 seed=0
python train.py -m unit.step=1,2,4 alpha=0.1,1   # Hydra's multirun
python train.py trainable=all                    # head and tail too, to compare with
"""

import dataclasses
import logging
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning import seed_everything
from safetensors.torch import save_file

from bottleneck.config import config_dir
from bottleneck.experiment import Experiment, also_methods, suite_methods
from bottleneck.files import replace_file
from bottleneck.report import draw_rate_accuracy, table
from bottleneck.results import Result, write_results
from bottleneck.system import BottleneckSystem
from bottleneck.training import new_trainer, run_outputs, train_method, warm_start

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
    if cfg.trainable not in ("bottleneck", "all"):
        raise ValueError(
            f"trainable={cfg.trainable} is unknown. Use bottleneck, or all to train head and tail too."
        )
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

    also = also_methods(cfg, unit, "bottleneck", cfg.codec.name)
    untrained = suite_methods(cfg.suite, net, "feature")
    trainer = new_trainer(cfg, *run_outputs(cfg, folder), default_root_dir=folder)
    if cfg.ckpt_path is None:
        warm_start(experiment, unit, features)
    if cfg.trainable == "all":
        tuned = experiment.unfrozen()
        tuned_net = tuned.split(cfg.split)
        sent = tuned.features(tuned_net)
        system: BottleneckSystem = tuned.end_to_end_system(unit, tuned_net, experiment.model)
        trained = train_method(tuned, system, experiment.images, sent, trainer, cfg.ckpt_path)
    else:
        tuned, tuned_net, sent = experiment, net, features
        system = experiment.system(unit, net)
        trained = train_method(experiment, system, features, sent, trainer, cfg.ckpt_path)
    if trained is None:
        return []

    for method in also:
        method.fit(sent.batches("train"), tuned_net)
    for method in untrained:
        method.fit(features.batches("train"), net)
    reference = experiment.reference(net, features, cfg.subset)
    rows = tuned.measure(tuned_net, sent, [trained, *also], cfg.subset, reference)
    rows += experiment.measure(net, features, untrained, cfg.subset, reference)[1:]
    if net.point.closed:
        tuned.bundle(tuned_net, trained, dataclasses.asdict(rows[1])).save(folder / "bundle")
    else:
        log.warning("no bundle is written: behind an open cut no server could go on from the payload")
    if cfg.trainable == "all":
        with replace_file(folder / "network.safetensors") as temporary:
            save_file(tuned.model.network.state_dict(), temporary)

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
