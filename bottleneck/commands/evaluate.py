"""`bottleneck evaluate`: measure anything on a data set, in one harness."""

from collections import defaultdict
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import seed_everything

from bottleneck.channel import Channel
from bottleneck.commands.adaptive import adaptive, check_adaptive
from bottleneck.commands.cascades import cascades, check_cascade
from bottleneck.commands.losses import on_lossy_links
from bottleneck.commands.outputs import FILES, write_outputs
from bottleneck.commands.setup import also_channels, checked_seed, cut_of, listed, settings_of, suite_channels
from bottleneck.cut import Cut
from bottleneck.deploy.bundle import Bundle, Place
from bottleneck.deploy.frontier import read_bundles
from bottleneck.deploy.places import found
from bottleneck.files import replace_text
from bottleneck.measure.curves import curve_name
from bottleneck.measure.results import Result, write_results
from bottleneck.show.answers import answers, check_drawable, draw_answers, frozen_answers
from bottleneck.show.html import Mark, Report, untrained_mark, write_report
from bottleneck.show.losses import draw_losses, loss_table
from bottleneck.show.pictures import draw_families
from bottleneck.show.tables import curves_table, table


def evaluate(cfg: DictConfig, folder: Path) -> list[Result]:
    """Measure the suite and the bundles.

    Args:
        cfg: The composed configuration (`conf/evaluate.yaml`).
        folder: The run's folder, which receives results, pictures, the report and curves.md.

    Returns:
        The rows of results.jsonl: the frozen network first, then every method.

    Raises:
        ValueError: If a bundle belongs to another network or to other images, or nothing is to be measured.
    """
    if cfg.open_cut:
        raise ValueError(
            "open_cut=true is for train. Bundles, and what is compared with them, need closed cuts."
        )
    if cfg.pictures < 0:
        raise ValueError(f"pictures={cfg.pictures} is no number of images. Use 0 or more.")
    if wrong := [offset for offset in listed(cfg.offsets) if not isinstance(offset, (int, float))]:
        raise ValueError(f"offsets={wrong} are no numbers. Use 0 to 0.5, such as 0.4.")
    seed_everything(checked_seed("seed", cfg.seed), workers=True, verbose=False)
    bundles = [bundle for path in listed(cfg.bundles) for bundle in read_bundles(found(path))[1]]
    for bundle in bundles:
        _check_name(bundle, cfg)
    cut = cut_of(cfg)
    for bundle in bundles:
        _check(bundle, cut)
    check_adaptive(cfg.adaptive, listed(cfg.bundles), bundles, cut)
    if cfg.pictures:
        check_drawable(cut)

    home = (cut.net.point.name, False, None)
    places: dict[Place, list[Bundle]] = defaultdict(list, {home: []})
    for bundle in bundles:  # units that replace a module have a cut of their own, and so has each own tail
        places[bundle.place].append(bundle)
    untrained = suite_channels(cfg.suite, cut, "feature")
    whole = cut.at("input")
    pictures = suite_channels(cfg.suite, whole, "input")
    check_cascade(cfg.cascade, pictures)
    cut.fit(untrained)
    whole.fit(pictures)
    sent: list[tuple[Cut, list[Channel]]] = []
    for where, here in places.items():
        place = cut if where == home else cut.at(where[0], here[0].unit.kind)
        if here and here[0].tail is not None:
            place = place.with_own_tail(here[0].tail)
        channels = _trained(here, place, listed(cfg.also_codecs), listed(cfg.offsets))
        channels += untrained if where == home else []
        if "loss" in cfg.suite:
            channels = on_lossy_links(cfg.suite.loss, place, channels)
        sent.append((place, channels))
    sent.append((whole, pictures))
    measured = [one for place, channels in sent for one in place.samples(channels, cfg.subset)]
    if not measured:
        raise ValueError(f"There is nothing to measure at split={cfg.split} with this suite and no bundles.")
    sources = {bundle.id: bundle for bundle in bundles}
    for row in (one.row for one in measured):
        row.seed = (
            sources[row.setting or ""].result.get("seed", cfg.seed) if row.kind == "trained" else cfg.seed
        )
    rows = [cut.frozen(cfg.subset), *(one.row for one in measured), *cascades(cfg.cascade, measured)]
    if cfg.adaptive.mean_bytes:
        rows += adaptive(cfg, [f"bundle:{bundle.id}" for bundle in bundles], sent, measured, folder)
    if cfg.pictures:
        columns = frozen_answers(cut, cfg.subset, cfg.pictures)
        for place, channels in sent:
            columns += answers(place, channels, cfg.subset, cfg.pictures)
        draw_answers(columns, cut.task.name, folder / "answers.jpg")
    if cut.images.targets_are_answers:
        for row in rows:
            row.agreement = row.value
    if "loss" in cfg.suite:
        write_results(rows, folder / "results.jsonl")
        replace_text(folder / "loss.md", loss_table(rows) + "\n")
        draw_losses(rows, folder / "loss.png")
    else:
        write_outputs(rows, folder)
        replace_text(folder / "curves.md", curves_table(rows) + "\n")
        draw_families(rows, folder / "families.png")
    write_report(_report(cfg, rows, sources), folder / "report.html")
    return rows


def _check_name(bundle: Bundle, cfg: DictConfig) -> None:
    """Refuse a bundle of another network before any is made."""
    trained, given = bundle.model.get("name"), cfg.model.get("name")
    if trained is not None and given is not None and trained != given:
        raise ValueError(
            f"bundles: {bundle.id} was trained in {trained!r}, and model.name={given!r} is to be measured. "
            "Set model= and model.name to the network of the bundles, and data= to its images."
        )


def _check(bundle: Bundle, cut: Cut) -> None:
    bundle.check_network(cut.model)
    images = cut.images
    if bundle.image_shape != images.image_shape or bundle.preprocessing not in ({}, images.preprocessing):
        raise ValueError(
            f"Bundle {bundle.id} takes images of {bundle.image_shape} after {bundle.preprocessing}, the data "
            f"set gives {images.image_shape} after {images.preprocessing}. Set data.short_side "
            "and data.crop, or data.size, and data.interpolation (bilinear where the bundle names none)."
        )
    bundle.unit.to(cut.image.device)


def _trained(bundles: list[Bundle], place: Cut, also: list[str], offsets: list[float]) -> list[Channel]:
    """The bundles' channels, each also through further codecs and roundings, ready to be measured."""
    channels: list[Channel] = []
    for bundle in bundles:
        label = {"name": f"bundle:{bundle.id}", "family": "bundle", "setting": bundle.id}
        own = place.channel(bundle.codec, bundle.unit, **label)
        channels.append(own)
        for offset in offsets:
            rounding = {"name": f"{own.name}-offset-{offset:g}", "family": f"{own.family}-offset-{offset:g}"}
            channels.append(own.rounding(offset, **rounding))
        further = also_channels(place, bundle.unit, also, bundle.codec.name, **label)
        place.fit(further)
        channels += further
    return channels


def _report(cfg: DictConfig, rows: list[Result], sources: dict[str, Bundle]) -> Report:
    frozen, *sent = rows
    marks = []
    for row in sent:
        if row.kind == "trained":
            bundle = sources.get(row.setting or "")  # none: a cascade, whose setting is its own
            settings = settings_of(bundle.unit, bundle.result.get("alpha")) if bundle else {}
            marks.append(Mark("trained", row.method, row, settings, curve_name(row)))
        else:
            marks.append(untrained_mark(row))
    return Report(
        kind="evaluation",
        title=f"{frozen.model} on {frozen.dataset}",
        about=f"{frozen.n:,} images of {cfg.subset}, {len(sent)} ways to send them",
        frozen=frozen,
        marks=marks,
        settings=OmegaConf.to_yaml(cfg, resolve=True),
    )


def run(cfg: DictConfig) -> None:
    """Measure, and print the table."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    rows = evaluate(cfg, folder)
    print(loss_table(rows) if "loss" in cfg.suite else table(rows))
    files = "results.jsonl, loss.png, loss.md" if "loss" in cfg.suite else f"{FILES}, families.png, curves.md"
    if cfg.pictures:
        files += ", answers.jpg"
    print(f"\nWritten to {folder}: report.html, {files}")
