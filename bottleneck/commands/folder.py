"""Where the configuration lives: `conf/` in a checkout, `bottleneck/conf/` in an installed wheel."""

from pathlib import Path


def config_dir() -> str:
    """Absolute path of the configuration folder."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "conf"
    return str(installed if installed.is_dir() else package.parent / "conf")
