"""Where the Hydra configuration lives: `conf/` in a checkout, `bottleneck/conf/` in an installed wheel.

What a file of it may say beside plain values: `${given:${target_drop},0.1,0}`, a value for a key that is
given, and another for one that is null.
"""

from pathlib import Path

from omegaconf import OmegaConf

OmegaConf.register_new_resolver(
    "given", lambda value, then, otherwise: otherwise if value is None else then, replace=True
)


def config_dir() -> str:
    """Absolute path of the configuration folder."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "conf"
    return str(installed if installed.is_dir() else package.parent / "conf")
