"""From an operating point to a trained channel.

point ──► unit ──► [matching, without the tail] ──► training ──► the payload asked for ──► tables ──► channel
"""

import copy
import pickle
from typing import Any

import torch
from pytorch_lightning import LightningDataModule, seed_everything

from bottleneck.channel import Channel
from bottleneck.cut import Cut
from bottleneck.loss import OperatingPoint
from bottleneck.loss.drop import JUDGEMENTS
from bottleneck.training.recipe import Recipe
from bottleneck.training.systems import BottleneckSystem
from bottleneck.training.tables import aim, aim_at_drop, fit_tables, mean_payload
from bottleneck.training.variants import EndToEndSystem, RatesSystem, TailSystem
from bottleneck.unit import Unit, latent_codec
from bottleneck.unit.gains import Gains


def train(
    cut: Cut,
    point: OperatingPoint,
    recipe: Recipe | None = None,
    ckpt_path: str | None = None,
    **trainer: Any,
) -> Channel | None:
    """Train a unit at a cut, from the point's seed.

    Args:
        cut: Where, on which data.
        point: What is trained, and towards what.
        recipe: How; `None`: as `Recipe()` says.
        ckpt_path: Checkpoint to go on from.
        trainer: Options of Lightning's Trainer for the training proper, such as `logger` and `callbacks`,
            over those of the recipe.

    Returns:
        The trained channel, its codec's tables fitted, ready to be measured; `None` in all but the first
        process of a distributed run.

    Raises:
        ValueError: If the unit does not take the features of this cut, or a drop is wanted and there are no
            held-out samples to judge it on; before anything is trained.
    """
    run = _Run(cut, point, recipe or Recipe(), warm=ckpt_path is None)
    channel = run.channel(cut)
    system = BottleneckSystem(channel, cut.net.folded(point.objective.layers), **run.parts)
    return run.fit(system, cut, run.features, ckpt_path, trainer)


def train_rates(
    cut: Cut,
    point: OperatingPoint,
    recipe: Recipe | None = None,
    ckpt_path: str | None = None,
    **trainer: Any,
) -> list[Channel]:
    """Train one unit at the several rates of a point (`point.rates`); see `train`.

    Returns:
        A channel for each rate, the dearest first: the same weights, and steps and tables of its own. None in
        all but the first process of a distributed run.

    Raises:
        ValueError: As `train`, or if no payload is asked for.
    """
    run = _Run(cut, point, recipe or Recipe(), warm=ckpt_path is None, system=RatesSystem)
    system = RatesSystem(run.channel(cut), cut.net.folded(point.objective.layers), **run.parts)
    trainer = {**trainer, "limit_val_batches": 0}  # at which rate?
    if not run.train(system, run.features, ckpt_path, trainer):
        return []
    channels, own = [], system.loss.rate
    for number in range(point.rates):
        unit, codec, rate = copy.deepcopy(run.unit), copy.deepcopy(run.codec), copy.deepcopy(own)
        unit.quantizer = system.gains.at(number).to(cut.image.device)
        rate.width = torch.tensor(unit.step, device=cut.image.device) / system.gains.step
        channels.append(
            cut.channel(
                codec, unit, name=f"bottleneck-rate-{number}", family="bottleneck", setting=str(number)
            )
        )
        fit_tables(channels[-1], rate, cut)
    return channels


def train_with_tail(
    cut: Cut,
    point: OperatingPoint,
    recipe: Recipe | None = None,
    ckpt_path: str | None = None,
    **trainer: Any,
) -> tuple[Cut, Channel | None]:
    """Train a unit, and a copy of the tail with it, which the server then keeps; see `train`.

    The head stays as it is, and so do its features and whatever else a device does with it.

    Returns:
        The cut with that tail, compared with the frozen network, and the channel there.
    """
    run = _Run(cut, point, recipe or Recipe(), warm=ckpt_path is None)
    tuned = cut.with_own_tail()
    channel = run.channel(tuned)
    system = TailSystem(channel, tuned.net, cut.net, **run.parts)
    return tuned, run.fit(system, tuned, run.features, ckpt_path, trainer)


def train_end_to_end(
    cut: Cut,
    point: OperatingPoint,
    recipe: Recipe | None = None,
    ckpt_path: str | None = None,
    **trainer: Any,
) -> tuple[Cut, Channel | None]:
    """Train a unit, and a copy of the network with it, to compare with; see `train`.

    Returns:
        The cut of the trained network, compared with the frozen one, and the channel there.
    """
    run = _Run(cut, point, recipe or Recipe(), warm=ckpt_path is None)
    tuned = cut.unfrozen(point.kind)
    channel = run.channel(tuned)
    system = EndToEndSystem(channel, tuned.net, cut.model, **run.parts)
    return tuned, run.fit(system, tuned, cut.images, ckpt_path, trainer)


class _Run:
    """What all ways of training have in common: a unit that has begun, and the stages that are left."""

    def __init__(
        self,
        cut: Cut,
        point: OperatingPoint,
        recipe: Recipe,
        warm: bool,
        system: type[BottleneckSystem] = BottleneckSystem,
    ):
        if (point.rates > 1) != (system is RatesSystem):
            raise ValueError(
                f"unit.rates={point.rates}: several rates are trained by train.py with trainable=bottleneck "
                "(`train_rates`), and one rate by everything else."
            )
        warm_epochs = recipe.warm_epochs if warm else 0
        probes = max(point.objective.probes, recipe.warm_objective.probes if warm_epochs else 0)
        if point.objective.probes and recipe.cutmix:
            raise ValueError(
                f"cutmix={recipe.cutmix} mixes features, and no gradient probe holds for two of them. Use "
                "cutmix=0, or probes in warm_start.objective alone, where nothing is mixed then."
            )
        cut.check(point)
        # The features come first: filling their cache draws random numbers and reading it does not.
        self.features = cut.probed(probes) if probes else cut.features
        seed_everything(point.seed, workers=True, verbose=False)
        self.point, self.recipe, self.device = point, recipe, cut.image.device
        self.judged = point.target_drop is not None
        if self.judged and not cut.images.count("select"):
            raise ValueError(
                f"target_drop={point.target_drop} is judged on samples that train nothing, and there are "
                "none. Set data.holdout to a share above 0, such as 0.1."
            )
        self.unit: Unit = cut.new_unit(point)
        if len(self.unit.latent_shapes) > 1 and (
            point.rates > 1 or not isinstance(point.losses, torch.nn.Identity)
        ):
            raise ValueError(
                f"unit.rates={point.rates} and loss= look at the channels of one latent, and at split="
                f"{cut.net.point.name} several tensors are sent. Use unit.rates=1 and loss=none there, or a "
                "closed cut."
            )
        self.unit.losses = point.losses
        self.codec = latent_codec(self.unit.latent_shapes, **point.codec)
        loss: Any = point.loss(self.unit.latent_shapes, cut.pixels, self.unit.step)
        if point.rates > 1:
            self.unit.quantizer = Gains(self.unit.step, self.unit.latent_shape[0], point.rates)
            loss = point.losses_by_rate(self.unit.latent_shape, cut.pixels)
        self.parts: dict[str, Any] = {
            "task": cut.task,
            "objective": point.objective,
            "loss": loss,
            "optimizer": recipe.optimizer,
            "scheduler": recipe.scheduler,
            "cutmix": recipe.cutmix,
            "baseline": cut.frozen("select").value if self.judged else 0.0,
        }
        if point.target_bytes is not None and point.rates == 1:  # a closure, because averages copy a system
            self.parts["weigh"] = lambda unit, rate: mean_payload(cut, self.codec, unit, rate)
        if warm_epochs:
            alpha = point.alpha if recipe.warm_alpha is None else recipe.warm_alpha
            beginning = {**self.parts, "objective": recipe.warm_objective, "loss": loss.weighing(alpha)}
            if recipe.warm_objective.probes:
                beginning["cutmix"] = 0.0  # a probe is of one image
            matching = system(self.channel(cut), cut.net, **beginning)
            matching.span = (0.0, 0.0)
            recipe.new_trainer(stage="Matching the feature", max_epochs=warm_epochs, limit_val_batches=0).fit(
                matching, self.features
            )

    def channel(self, cut: Cut) -> Channel:
        return cut.channel(self.codec, self.unit, name="bottleneck")

    def fit(
        self,
        system: BottleneckSystem,
        cut: Cut,
        data: LightningDataModule,
        ckpt_path: str | None,
        options: dict[str, Any],
    ) -> Channel | None:
        """Train, and fit the codec's tables; `None` in all but the first process."""
        if not self.train(system, data, ckpt_path, options):
            return None
        if self.recipe.aims and self.point.target_bytes is not None:
            aim(system.channel, system.loss.rate, cut, self.point.target_bytes)
        elif self.recipe.aims and self.point.target_drop is not None:
            aim_at_drop(system.channel, cut, self.point.target_drop)
        fit_tables(system.channel, system.loss.rate, cut)
        return system.channel

    def train(
        self,
        system: BottleneckSystem,
        data: LightningDataModule,
        ckpt_path: str | None,
        options: dict[str, Any],
    ) -> bool:
        """Train; whether this is the first process."""
        recipe = self.recipe
        if self.judged:  # whatever else validates
            wanted = {**recipe.trainer, **options}
            batches, limit = len(data.train_dataloader()), wanted.get("limit_train_batches") or 1.0
            batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
            interval = batches * (wanted.get("max_epochs") or 1) // JUDGEMENTS
            options |= {
                "val_check_interval": max(1, interval),
                "check_val_every_n_epoch": None,
                "limit_val_batches": 1.0,
            }
        callbacks = [*options.pop("callbacks", ()), *recipe.averaging()]
        trainer = recipe.new_trainer(callbacks=callbacks, **options)
        try:
            trainer.fit(system, data, ckpt_path=ckpt_path)
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"ckpt_path={ckpt_path} is no checkpoint of a training. Give RUN/checkpoints/last.ckpt."
            ) from error
        if recipe.settle_epochs and not trainer.should_stop:
            system.settle(recipe.settle_pace)
            trainer = recipe.new_trainer(
                callbacks=recipe.averaging(),
                stage="Settling",
                max_epochs=recipe.settle_epochs,
                limit_val_batches=0,
            )
            trainer.fit(system, data)
        system.to(self.device).eval()
        return trainer.is_global_zero
