"""From `bundles` of a configuration to channels, each where it sends.

bundles= ─► read, names compared ─► (the network is made) ─► checked ─► by place ─► channels, also through
                                                                                    other codecs and roundings
"""

from collections import defaultdict
from collections.abc import Sequence

from omegaconf import DictConfig

from bottleneck.channel import Channel
from bottleneck.commands.setup import also_channels
from bottleneck.commands.values import listed
from bottleneck.cut import Cut
from bottleneck.deploy.bundle import Bundle, Place
from bottleneck.deploy.frontier import read_bundles
from bottleneck.deploy.networks import check_network
from bottleneck.deploy.places import found


def bundles_of(cfg: DictConfig) -> list[Bundle]:
    """The bundles of a configuration, of the network that it names.

    Raises:
        ValueError: If one was trained in another network, before any is made.
    """
    bundles = [bundle for path in listed(cfg.bundles) for bundle in read_bundles(found(path))[1]]
    given = cfg.model.get("name")
    for bundle in bundles:
        trained = bundle.model.get("name")
        if trained is not None and given is not None and trained != given:
            raise ValueError(
                f"bundles: {bundle.id} was trained in {trained!r}, and model.name={given!r} is to be "
                "measured. Set model= and model.name to the network of the bundles, and data= to its images."
            )
    return bundles


def check_bundles(bundles: Sequence[Bundle], cut: Cut) -> None:
    """Refuse bundles of another network, or of images that were made in another way."""
    images = cut.images
    for bundle in bundles:
        check_network(bundle, cut.model)
        if bundle.image_shape != images.image_shape or bundle.preprocessing not in ({}, images.preprocessing):
            raise ValueError(
                f"Bundle {bundle.id} takes images of {bundle.image_shape} after {bundle.preprocessing}, the "
                f"data set gives {images.image_shape} after {images.preprocessing}. Set data.short_side "
                "and data.crop, or data.size, and data.interpolation (bilinear where the bundle names none)."
            )


def placed(bundles: Sequence[Bundle], cut: Cut, cfg: DictConfig) -> list[tuple[Cut, list[Channel]]]:
    """The bundles' channels, each also through `also_codecs` and with `offsets`, by the cut they send at.

    The first is the configuration's own, whether bundles stand there or not. Units that replace a module have
    a cut of their own, and so has each tail that was trained.
    """
    home = (cut.net.point.name, False, None)
    together: dict[Place, list[Bundle]] = defaultdict(list, {home: []})
    for bundle in bundles:
        bundle.unit.to(cut.image.device)
        together[bundle.place].append(bundle)
    sent = []
    for where, here in together.items():
        place = cut if where == home else cut.at(where[0], here[0].unit.kind)
        if here and here[0].tail is not None:
            place = place.with_own_tail(here[0].tail)
        sent.append((place, [channel for bundle in here for channel in _channels(bundle, place, cfg)]))
    return sent


def _channels(bundle: Bundle, place: Cut, cfg: DictConfig) -> list[Channel]:
    """A bundle's channel, the same with other roundings, and its latent through further codecs, fitted."""
    label = {"name": f"bundle:{bundle.id}", "family": "bundle", "setting": bundle.id}
    own = place.channel(bundle.codec, bundle.unit, **label)
    rounded = [
        own.rounding(offset, name=f"{own.name}-offset-{offset:g}", family=f"{own.family}-offset-{offset:g}")
        for offset in listed(cfg.offsets)
    ]
    further = also_channels(place, bundle.unit, listed(cfg.also_codecs), bundle.codec.name, **label)
    place.fit(further)
    return [own, *rounded, *further]
