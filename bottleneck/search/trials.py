"""One trial: train the drawn operating point on cached features, measure real bytes, keep the unit."""

import dataclasses
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from hydra.utils import instantiate
from omegaconf import DictConfig
from optuna.artifacts import upload_artifact
from optuna.trial import FrozenTrial, TrialState
from pytorch_lightning import Callback, LightningModule, Trainer

from bottleneck.bundle import Bundle
from bottleneck.evaluation import Reference
from bottleneck.experiment import Experiment, Features
from bottleneck.search.space import Space
from bottleneck.splitting import SplitModel
from bottleneck.training import train_unit

BUNDLE_FILES = ("bundle.json", "unit.safetensors")


@dataclasses.dataclass
class Bench:
    """What every trial of a study shares, so that no trial does it again.

    Attributes:
        net: The network, cut.
        features: What the head gives at the cut.
        references: What the frozen network does on `select`, which ranks trials, and on `val`.
        space: What trials draw from.
        artifacts: Where trained units are kept.
    """

    experiment: Experiment
    net: SplitModel
    features: Features
    references: dict[str, Reference]
    space: Space
    artifacts: Any

    @classmethod
    def prepare(cls, experiment: Experiment, net: SplitModel, artifacts: Any) -> "Bench":
        """Fill the feature cache where it is empty, and let the frozen network judge the features."""
        features = experiment.features(net)
        references = {subset: experiment.reference(net, features, subset) for subset in ("select", "val")}
        space = instantiate(experiment.cfg.space).fitting(experiment.new_unit(net, features).size)
        return cls(experiment, net, features, references, space, artifacts)


def run_trial(study: optuna.Study, trial: optuna.Trial, bench: Bench) -> tuple[float, float]:
    """Train and measure what the trial draws.

    The objectives are measured on the selection samples; the row on the validation samples, which the
    frontier reports, is kept as the user attribute `val`.

    Returns:
        bpp and metric.

    Raises:
        TrialPruned: If the same point was trained before, or this one turns out hopeless.
    """
    point = bench.space.draw(trial)
    if (twin := _twin(study, trial)) is not None:
        trial.set_user_attr("twin", twin)
        raise optuna.TrialPruned(f"trial {twin} has the same operating point")
    experiment = bench.experiment.at(point)
    trial.set_user_attr("point", dataclasses.asdict(point))

    hopeless = StopHopeless(study, trial, experiment.cfg, experiment.task.metric)
    # Between comparisons nobody reads what validation finds.
    often = hopeless.age or experiment.cfg.trainer.max_epochs + 1
    method = train_unit(experiment, bench.net, bench.features, [hopeless], check_val_every_n_epoch=often)
    if hopeless.rival is not None:
        trial.set_user_attr("rival", hopeless.rival)
        raise optuna.TrialPruned(f"trial {hopeless.rival} was better and smaller at the same age")

    rows = {
        subset: experiment.measure(bench.net, bench.features, [method], subset, reference)[1]
        for subset, reference in bench.references.items()
    }
    for subset, row in rows.items():
        trial.set_user_attr(subset, dataclasses.asdict(row))
    _set_constraints(trial, rows["select"], experiment.cfg.study.constraints)
    bundle = experiment.bundle(bench.net, method, dataclasses.asdict(rows["val"]))
    trial.set_user_attr("bundle", _upload(bundle, trial, bench.artifacts))
    assert rows["select"].bpp is not None, "a codec made bytes"
    return rows["select"].bpp, rows["select"].value


class StopHopeless(Callback):
    """Stop a trial that another one beat by a clear margin, in metric and in rate, at the same age.

    Attributes:
        rival: Number of the trial that did, or `None`.
        age: Epochs after which trials are compared, or `None`: never.
    """

    def __init__(self, study: optuna.Study, trial: optuna.Trial, cfg: DictConfig, metric: str):
        self.rival: int | None = None
        self._metric = metric
        self._study, self._trial = study, trial
        self._pruning = cfg.study.pruning
        after = self._pruning.after
        self.age = None if after is None else math.ceil(after * cfg.trainer.max_epochs)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 != self.age:
            return
        metrics = trainer.callback_metrics
        value, bpp = (float(metrics[key]) for key in (f"val/{self._metric}", "val/entropy_bpp"))
        self._trial.set_user_attr("midway", {"value": value, "bpp": bpp})
        for other in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            midway = other.user_attrs.get("midway")
            if midway is None:
                continue
            better = midway["value"] >= value + self._pruning.value_margin
            smaller = midway["bpp"] <= bpp * (1 - self._pruning.rate_margin)
            if better and smaller:
                self.rival = other.number
                trainer.should_stop = True
                return


def _twin(study: optuna.Study, trial: optuna.Trial) -> int | None:
    """Number of an earlier trial, finished or running, with the same parameters."""
    states = (TrialState.COMPLETE, TrialState.RUNNING)
    others: Sequence[FrozenTrial] = study.get_trials(deepcopy=False, states=states)
    same = [t.number for t in others if t.number < trial.number and t.params == trial.params]
    return min(same, default=None)


def _set_constraints(trial: optuna.Trial, row: Any, limits: DictConfig) -> None:
    """Tell Optuna by how much each limit is exceeded; up to zero is kept."""
    if limits.min_value is not None:
        trial.set_constraint("min_value", limits.min_value - row.value)
    if limits.max_bytes is not None:
        trial.set_constraint("max_bytes", row.payload_bytes - limits.max_bytes)
    if limits.max_encoder_macs is not None:
        trial.set_constraint("max_encoder_macs", row.encoder_macs - limits.max_encoder_macs)


def _upload(bundle: Bundle, trial: optuna.Trial, artifacts: Any) -> dict[str, str]:
    """Store the bundle's files as artifacts; their ids by file name."""
    with tempfile.TemporaryDirectory() as folder:
        bundle.save(folder)
        return {
            name: upload_artifact(
                artifact_store=artifacts, file_path=str(Path(folder) / name), study_or_trial=trial
            )
            for name in BUNDLE_FILES
        }
