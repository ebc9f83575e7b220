"""From an operating point to a trained channel.

point ──► unit ──► [matching, without the tail] ──► training ──► tables of the codec ──► channel
"""

from collections.abc import Sequence
from typing import Any

from pytorch_lightning import Callback, LightningDataModule, seed_everything
from pytorch_lightning.loggers import Logger

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.cut import Cut
from bottleneck.loss import Loss, OperatingPoint
from bottleneck.loss.objectives import Matching
from bottleneck.training.recipe import Recipe
from bottleneck.training.systems import BottleneckSystem, EndToEndSystem
from bottleneck.unit import Unit


def train(
    cut: Cut,
    point: OperatingPoint,
    recipe: Recipe | None = None,
    *,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    ckpt_path: str | None = None,
    **options: Any,
) -> Channel | None:
    """Train a unit at a cut, from the point's seed.

    Args:
        cut: Where, on which data.
        point: What is trained, and towards what.
        recipe: How; `None`: as `Recipe()` says.
        loggers: Of the training proper.
        callbacks: Of the training proper.
        ckpt_path: Checkpoint to go on from.
        options: Further options of Lightning's Trainer, over those of the recipe.

    Returns:
        The trained channel, its codec's tables fitted, ready to be measured; `None` in all but the first
        process of a distributed run.

    Raises:
        ValueError: If the unit does not take the features of this cut; before anything is trained.
    """
    run = _Run(cut, point, recipe or Recipe(), warm=ckpt_path is None)
    channel = run.channel(cut)
    system = BottleneckSystem(channel, cut.net, **run.parts)
    return run.fit(system, cut, cut.features, ckpt_path, loggers, callbacks, options)


def train_end_to_end(
    cut: Cut,
    point: OperatingPoint,
    recipe: Recipe | None = None,
    *,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    ckpt_path: str | None = None,
    **options: Any,
) -> tuple[Cut, Channel | None]:
    """Train a unit, and a copy of the network with it, to compare with; see `train`.

    Returns:
        The cut of the trained network, compared with the frozen one, and the channel there.
    """
    run = _Run(cut, point, recipe or Recipe(), warm=ckpt_path is None)
    tuned = cut.unfrozen(point.kind)
    channel = run.channel(tuned)
    system = EndToEndSystem(channel, tuned.net, cut.model, **run.parts)
    return tuned, run.fit(system, tuned, cut.images, ckpt_path, loggers, callbacks, options)


class _Run:
    """What both ways of training have in common."""

    def __init__(self, cut: Cut, point: OperatingPoint, recipe: Recipe, warm: bool):
        # The features come first: filling their cache draws random numbers and reading it does not.
        features = cut.features
        seed_everything(point.seed, workers=True, verbose=False)
        self.recipe = recipe
        self.unit: Unit = cut.new_unit(point)
        self.codec = codecs.create(shape=self.unit.latent_shape, **point.codec)
        rate = point.rate(self.unit.latent_shape, cut.pixels)
        common: dict[str, Any] = {
            "task": cut.task,
            "optimizer": recipe.optimizer,
            "scheduler": recipe.scheduler,
        }
        if recipe.warm_epochs and warm:
            alpha = point.alpha if recipe.warm_alpha is None else recipe.warm_alpha
            matching = BottleneckSystem(
                self.channel(cut), cut.net, objective=Matching(), loss=Loss(rate, alpha), **common
            )
            beginning = recipe.new_trainer(max_epochs=recipe.warm_epochs, limit_val_batches=0)
            beginning.fit(matching, features)
        self.parts = {**common, "objective": point.objective, "loss": Loss(rate, point.alpha)}

    def channel(self, cut: Cut) -> Channel:
        return cut.channel(self.codec, self.unit, name="bottleneck")

    def fit(
        self,
        system: BottleneckSystem,
        cut: Cut,
        data: LightningDataModule,
        ckpt_path: str | None,
        loggers: Sequence[Logger],
        callbacks: Sequence[Callback],
        options: dict[str, Any],
    ) -> Channel | None:
        trainer = self.recipe.new_trainer(loggers, callbacks, **options)
        trainer.fit(system, data, ckpt_path=ckpt_path)
        if not trainer.is_global_zero:
            return None
        system.to(cut.image.device).eval()
        cut.fit([system.channel])
        return system.channel
