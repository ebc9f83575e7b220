"""`bottleneck choose`: the point of a frontier that fits a link and a deadline."""

from omegaconf import DictConfig
from tabulate import tabulate

from bottleneck.deploy.choose import candidates, choose


def run(cfg: DictConfig) -> None:
    """Print every point, and which one to take."""
    points = candidates(cfg.frontier)
    chosen = choose(points, cfg.max_bytes, cfg.max_ms, cfg.kbit_s, cfg.min_metric)
    rows = [
        [
            "► " * (each is chosen) + str(each.point),
            f"{each.value:.4f}",
            f"{each.payload_bytes:,.1f}",
            f"{each.device_ms:.2f}",
            f"{each.total_ms(cfg.kbit_s):.2f}",
        ]
        for each in points
    ]
    header = ["point", "metric", "bytes", "device ms", "total ms"]
    print(tabulate(rows, header, disable_numparse=True, colalign=["right"] * len(header)))
    how = f" Send with device(image, point={chosen.point})." if len(points) > 1 else ""
    print(
        f"\nPoint {chosen.point}: {chosen.value:.3f} from {chosen.payload_bytes:,.1f} bytes on average, "
        f"where the frozen network has {chosen.baseline:.3f}.{how}"
    )
