"""One trial: train the drawn operating point on cached features, measure real bytes, keep the unit."""

import dataclasses
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.artifacts import upload_artifact
from optuna.trial import FrozenTrial, TrialState
from pytorch_lightning import Callback, LightningModule, Trainer

from bottleneck.cut import Cut
from bottleneck.deploy.bundle import Bundle
from bottleneck.loss import OperatingPoint
from bottleneck.measure.health import ailment
from bottleneck.measure.results import Result
from bottleneck.search.places import Outcome
from bottleneck.search.space import Space, is_number
from bottleneck.search.storage import FAILURES
from bottleneck.training import Recipe, train
from bottleneck.unit.quantizer import DivergedError

BUNDLE_FILES = ("bundle.json", "unit.safetensors")


@dataclasses.dataclass(frozen=True)
class Constraints:
    """Limits of a trial that is to be on the frontier; `None`: no limit.

    Attributes:
        min_value: Lowest metric on the selection samples.
        max_bytes: Largest mean payload there.
        max_encoder_macs: Multiply-accumulates of the device's half of the unit.
    """

    min_value: float | None = None
    max_bytes: float | None = None
    max_encoder_macs: int | None = None

    def __post_init__(self) -> None:
        for name, limit in dataclasses.asdict(self).items():
            if limit is not None and not (is_number(limit) and limit == limit):
                raise ValueError(f"study.constraints.{name}={limit} must be a number, or null for no limit.")

    def excesses(self, row: Result) -> dict[str, float]:
        """By how much each limit is exceeded; up to zero is kept."""
        found: dict[str, float] = {}
        if self.min_value is not None:
            found["min_value"] = self.min_value - row.value
        if self.max_bytes is not None and row.payload_bytes is not None:
            found["max_bytes"] = row.payload_bytes - self.max_bytes
        if self.max_encoder_macs is not None and row.encoder_macs is not None:
            found["max_encoder_macs"] = row.encoder_macs - self.max_encoder_macs
        return found

    def kept(self, row: Result) -> bool:
        """Whether no limit is exceeded."""
        return all(excess <= 0 for excess in self.excesses(row).values())


@dataclasses.dataclass(frozen=True)
class Pruning:
    """When a trial is hopeless.

    Attributes:
        after: Share of the epochs after which it is compared with others at the same age; `None`: never.
        value_margin: It is hopeless when another has a metric better by this ...
        rate_margin: ... at a rate lower by this share.
    """

    after: float | None = 0.5
    value_margin: float = 0.01
    rate_margin: float = 0.2

    def __post_init__(self) -> None:
        if self.after is not None and not (is_number(self.after) and 0 <= self.after <= 1):
            raise ValueError(f"study.pruning.after={self.after} must be a share, 0 to 1, or null for never.")
        for name in ("value_margin", "rate_margin"):
            if not is_number(margin := getattr(self, name)) or not margin >= 0:
                raise ValueError(f"study.pruning.{name}={margin} must be a number of at least 0.")


@dataclasses.dataclass
class Bench:
    """What every trial of a study shares.

    Attributes:
        cut: Where units are trained; it remembers what the frozen network does on `select` and on `val`.
        point: What all trials have in common.
        recipe: How each is trained.
        space: What they draw.
        artifacts: Where trained units are kept.
        constraints: What a trial has to keep to be on the frontier.
        pruning: When hopeless trials are stopped.
    """

    cut: Cut
    point: OperatingPoint
    recipe: Recipe
    space: Space
    artifacts: Any
    constraints: Constraints
    pruning: Pruning

    @classmethod
    def prepare(cls, cut: Cut, point: OperatingPoint, recipe: Recipe, space: Space, *rest: Any) -> Self:
        """Let the frozen network judge the samples, and leave strides out that do not fit the feature."""
        for subset in ("select", "val"):
            cut.frozen(subset)
        fitting, drawn = space.fitting(cut.new_unit(point).size), dataclasses.replace(point, headroom=1.0)
        return cls(cut, drawn, dataclasses.replace(recipe, aims=False), fitting, *rest)


def run_trial(study: optuna.Study, trial: optuna.Trial, bench: Bench) -> Outcome:
    """Train and measure what the trial draws.

    The objectives are measured on the selection samples; the row on the validation samples, which the
    frontier reports, is kept as the user attribute `val`.

    Returns:
        Its objectives, bpp and metric; or that it was stopped, because the same point was trained before, or
        this one turned out hopeless, or diverged, or sends nothing of use.
    """
    drawn = bench.space.draw(trial)
    if (twin := _twin(study, trial)) is not None:
        return Outcome(TrialState.PRUNED, {"twin": twin})
    try:
        return _trained(study, drawn, bench)
    except DivergedError as error:  # of this point, and not of the study
        return Outcome(TrialState.PRUNED, {"point": drawn, "ailment": f"it has diverged. {error}"})


def _trained(study: optuna.Study, drawn: dict[str, Any], bench: Bench) -> Outcome:
    """What becomes of a point when it is trained and measured."""
    attrs: dict[str, Any] = {"point": drawn}
    point = bench.point.at(**drawn)
    epochs = bench.recipe.trainer["max_epochs"]
    hopeless = StopHopeless(study, bench.pruning, epochs, bench.cut.task.metric)
    channel = train(
        bench.cut,
        point,
        bench.recipe,
        callbacks=[hopeless],
        # Between comparisons nobody reads what validation finds.
        check_val_every_n_epoch=hopeless.age or epochs + 1,
    )
    assert channel is not None, "one process trains"
    assert channel.unit is not None, "it was trained"
    if hopeless.midway is not None:
        attrs["midway"] = hopeless.midway
    if hopeless.rival is not None:
        return Outcome(TrialState.PRUNED, {**attrs, "rival": hopeless.rival})

    rows = {subset: bench.cut.measure([channel], subset, point.seed)[0] for subset in ("select", "val")}
    attrs |= {subset: dataclasses.asdict(row) for subset, row in rows.items()}
    if (why := ailment(rows["select"], channel.unit)) is not None:
        return Outcome(TrialState.PRUNED, {**attrs, "ailment": why})
    if (why := bench.cut.guesses(rows["select"], "select")) is not None:
        attrs["guesses"] = why  # the sampler learns of it, and no frontier has it, however few its bytes
    bundle = bench.cut.bundle(channel, {**attrs["val"], "alpha": point.alpha})
    attrs["bundle"] = _upload(bundle, study, bench.artifacts)
    select = rows["select"]
    assert select.bpp is not None, "a codec made bytes"
    values = (select.bpp, select.value)
    return Outcome(TrialState.COMPLETE, attrs, values, bench.constraints.excesses(select))


class StopHopeless(Callback):
    """Stop a trial that another one beat by a clear margin, in metric and in rate, at the same age.

    Attributes:
        midway: What this trial was at that age.
        rival: Number of the trial that did, or `None`.
        age: Epochs after which trials are compared, by the first validation in or behind the last of them, or
            `None`: never.
    """

    def __init__(self, study: optuna.Study, pruning: Pruning, epochs: int, metric: str):
        self.midway: dict[str, float] | None = None
        self.rival: int | None = None
        self._study, self._metric, self._pruning = study, metric, pruning
        self.age = None if pruning.after is None else math.ceil(pruning.after * epochs)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.age is None or trainer.sanity_checking or trainer.current_epoch + 1 < self.age:
            return
        if self.midway is not None:  # a target of the metric is judged more often
            return
        metrics = trainer.callback_metrics
        value, bpp = (float(metrics[key]) for key in (f"val/{self._metric}", "val/entropy_bpp"))
        self.midway = {"value": value, "bpp": bpp}
        trainer.should_stop = bpp == 0 or not math.isfinite(bpp)  # then measuring says what ails it
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


def _upload(bundle: Bundle, study: optuna.Study, artifacts: Any) -> dict[str, str]:
    """Store the bundle's files as artifacts of the study, whose trial may be lost; their ids by file name.

    Raises:
        OSError: In the place of any error of an object store.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "bundle"
        bundle.save(folder)
        try:
            return {
                name: upload_artifact(
                    artifact_store=artifacts, file_path=str(folder / name), study_or_trial=study
                )
                for name in BUNDLE_FILES
            }
        except (OSError, *FAILURES):
            raise
        except Exception as error:  # a client's own
            raise OSError(
                f"study.artifacts takes no units: {error}. The same command goes on when it does again."
            ) from error
