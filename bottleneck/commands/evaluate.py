"""`bottleneck evaluate`: measure anything on a data set, in one harness."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import seed_everything

from bottleneck.commands.adaptive import adaptive, check_adaptive
from bottleneck.commands.bundles import bundles_of, check_bundles, placed
from bottleneck.commands.cascades import cascades, check_cascade
from bottleneck.commands.losses import on_lossy_links
from bottleneck.commands.outputs import FILES, write_outputs
from bottleneck.commands.setup import cut_of, settings_of, suite_channels
from bottleneck.commands.values import checked_seed, listed
from bottleneck.deploy.bundle import Bundle
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
    _check(cfg)
    seed_everything(checked_seed("seed", cfg.seed), workers=True, verbose=False)
    bundles = bundles_of(cfg)
    cut = cut_of(cfg)
    check_bundles(bundles, cut)
    check_adaptive(cfg.adaptive, listed(cfg.bundles), bundles, cut)
    if cfg.pictures:
        check_drawable(cut)
    whole = cut.at("input")
    untrained, pictures = suite_channels(cfg.suite, cut, "feature"), suite_channels(cfg.suite, whole, "input")
    check_cascade(cfg.cascade, pictures)

    cut.fit(untrained)
    whole.fit(pictures)
    sent = placed(bundles, cut, cfg)
    sent[0][1].extend(untrained)  # one pass over what the head gives
    if "loss" in cfg.suite:
        sent = [(place, on_lossy_links(cfg.suite.loss, place, channels)) for place, channels in sent]
    sent.append((whole, pictures))
    measured = [one for place, channels in sent for one in place.samples(channels, cfg.subset)]
    if not measured:
        raise ValueError(f"There is nothing to measure at split={cfg.split} with this suite and no bundles.")

    sources = {bundle.id: bundle for bundle in bundles}
    for row in (one.row for one in measured):
        trained = sources[row.setting or ""].result if row.kind == "trained" else {}
        row.seed = trained.get("seed", cfg.seed)
    rows = [cut.frozen(cfg.subset), *(one.row for one in measured), *cascades(cfg.cascade, measured)]
    if cfg.adaptive.mean_bytes:
        rows += adaptive(cfg, [f"bundle:{bundle.id}" for bundle in bundles], sent, measured, folder)
    if cut.images.targets_are_answers:
        for row in rows:
            row.agreement = row.value
    if cfg.pictures:
        columns = frozen_answers(cut, cfg.subset, cfg.pictures)
        for place, channels in sent:
            columns += answers(place, channels, cfg.subset, cfg.pictures)
        draw_answers(columns, cut.task.name, folder / "answers.jpg")
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


def _check(cfg: DictConfig) -> None:
    if cfg.open_cut:
        raise ValueError(
            "open_cut=true is for train. Bundles, and what is compared with them, need closed cuts."
        )
    if cfg.pictures < 0:
        raise ValueError(f"pictures={cfg.pictures} is no number of images. Use 0 or more.")
    if wrong := [offset for offset in listed(cfg.offsets) if not isinstance(offset, (int, float))]:
        raise ValueError(f"offsets={wrong} are no numbers. Use 0 to 0.5, such as 0.4.")


def _report(cfg: DictConfig, rows: Sequence[Result], sources: Mapping[str, Bundle]) -> Report:
    frozen, *sent = rows
    return Report(
        kind="evaluation",
        title=f"{frozen.model} on {frozen.dataset}",
        about=f"{frozen.n:,} images of {cfg.subset}, {len(sent)} ways to send them",
        frozen=frozen,
        marks=[_mark(row, sources) for row in sent],
        settings=OmegaConf.to_yaml(cfg, resolve=True),
    )


def _mark(row: Result, sources: Mapping[str, Bundle]) -> Mark:
    if row.kind != "trained":
        return untrained_mark(row)
    bundle = sources.get(row.setting or "")  # none: a cascade, whose setting is its own
    settings = settings_of(bundle.unit, bundle.result.get("alpha")) if bundle else {}
    return Mark("trained", row.method, row, settings, curve_name(row))


def run(cfg: DictConfig) -> None:
    """Measure, and print the table."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    rows = evaluate(cfg, folder)
    print(loss_table(rows) if "loss" in cfg.suite else table(rows))
    files = "results.jsonl, loss.png, loss.md" if "loss" in cfg.suite else f"{FILES}, families.png, curves.md"
    if cfg.pictures:
        files += ", answers.jpg"
    print(f"\nWritten to {folder}: report.html, {files}")
