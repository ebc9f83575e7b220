"""Measure anything on a data set: untrained codecs, the input itself, and exported bundles, in one harness.

python evaluate.py                                          # the suite on the embedded digits
python evaluate.py bundles='[PATH,PATH]'                    # bundles too, and through `also_codecs`
python evaluate.py bundles=studies/NAME/frontier            # all points of a frontier
python evaluate.py experiment=imagenette data.root=PATH bundles='[PATH]'
"""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import seed_everything

from bottleneck.bundle import Bundle
from bottleneck.config import config_dir
from bottleneck.curves import curve_name
from bottleneck.deploy.frontier import read_frontier
from bottleneck.experiment import Experiment, also_methods, suite_methods
from bottleneck.html_report import Mark, Report, untrained_mark, write_report
from bottleneck.methods import Method
from bottleneck.report import curves_table, draw_rate_accuracy, table
from bottleneck.results import Result, write_results


def evaluate(cfg: DictConfig, folder: Path) -> list[Result]:
    """Measure the suite and the bundles.

    Args:
        cfg: The composed configuration (`conf/evaluate.yaml`).
        folder: The run's folder, which receives results.jsonl, the picture, the report and curves.md.

    Returns:
        The rows of results.jsonl: the frozen network first, then every method.

    Raises:
        ValueError: If a bundle belongs to another network or to other images, or nothing is to be measured.
    """
    if cfg.open_cut:
        raise ValueError(
            "open_cut=true is for train.py. Bundles, and what is compared with them, need closed cuts."
        )
    seed_everything(cfg.seed, workers=True, verbose=False)
    paths = [cfg.bundles] if isinstance(cfg.bundles, str) else cfg.bundles
    bundles = [Bundle.read(folder) for path in paths for folder in _bundle_folders(Path(path))]
    experiment = Experiment.from_config(cfg)
    for bundle in bundles:
        bundle.check_network(experiment.model)
        images = experiment.images
        if (bundle.preprocessing, bundle.image_shape) != (images.preprocessing, images.image_shape):
            raise ValueError(
                f"Bundle {bundle.id} takes images of {bundle.image_shape} after {bundle.preprocessing}, the "
                f"data set gives {images.image_shape} after {images.preprocessing}. Set data.short_side and "
                "data.crop."
            )
        bundle.unit.to(experiment.image.device)

    rows: list[Result] = []
    sources: dict[str, Bundle] = {}  # of rows
    suite_net = experiment.split(cfg.split, replace=False)
    suite_split = suite_net.point.name  # its own name, where an alias was given
    for at in dict.fromkeys([suite_split, *(bundle.split for bundle in bundles), "input"]):
        replace = any(bundle.unit.replaces for bundle in bundles if bundle.split == at)
        net = suite_net if at == suite_split and not replace else experiment.split(at, replace)
        trained, unfitted = [], []
        for bundle in bundles:
            if bundle.split == at:
                own = Method.of_unit(f"bundle:{bundle.id}", bundle.codec, bundle.unit)
                also = also_methods(cfg, bundle.unit, own.name, bundle.codec.name)
                sources |= {method.name: bundle for method in (own, *also)}
                trained.append(own)
                unfitted += also
        if at == "input":
            unfitted += suite_methods(cfg.suite, net, "input")
        elif at == suite_split:
            unfitted += suite_methods(cfg.suite, net, "feature")
        if not trained + unfitted:
            continue
        features = experiment.features(net)
        for method in unfitted:
            method.fit(features.batches("train"), net)
        measured = experiment.measure(net, features, trained + unfitted, cfg.subset)
        rows += measured[1:] if rows else measured
    if not rows:
        raise ValueError(f"There is nothing to measure at split={cfg.split} with this suite and no bundles.")
    for row in rows:
        row.seed = sources[row.method].result.get("seed", row.seed) if row.method in sources else row.seed
    write_results(rows, folder / "results.jsonl")
    (folder / "curves.md").write_text(curves_table(rows) + "\n")
    draw_rate_accuracy(rows, folder / "rate_accuracy.png")
    write_report(_report(cfg, rows, sources), folder / "report.html")
    return rows


def _bundle_folders(path: Path) -> list[Path]:
    """A bundle's own folder, or those of all points of a frontier."""
    if not (path / "frontier.json").exists():
        return [path]
    return [path / point.bundle for point in read_frontier(path)]


def _report(cfg: DictConfig, rows: list[Result], sources: dict[str, Bundle]) -> Report:
    frozen, *sent = rows
    points = {row: {**b.unit.options, "alpha": b.result.get("alpha")} for row, b in sources.items()}
    marks = [
        Mark("trained", row.method, row, points[row.method], curve_name(row))
        if row.method in points
        else untrained_mark(row)
        for row in sent
    ]
    return Report(
        kind="evaluation",
        title=f"{frozen.model} on {frozen.dataset}",
        about=f"{frozen.n:,} images of {cfg.subset}, {len(sent)} ways to send them",
        frozen=frozen,
        marks=marks,
        settings=OmegaConf.to_yaml(cfg, resolve=True),
    )


@hydra.main(version_base="1.3", config_path=config_dir(), config_name="evaluate")
def main(cfg: DictConfig) -> None:
    """Compose the configuration, measure, and print the table."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    print(table(evaluate(cfg, folder)))
    print(f"\nWritten to {folder}: results.jsonl, report.html, rate_accuracy.png, curves.md")


if __name__ == "__main__":
    main()
