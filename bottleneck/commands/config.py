"""The folder of the configuration for whoever composes it, and what its files may say beside plain values.

`${given:${target_drop},0.1,0}` is a value for a key that is given, and another for one that is null.
"""

from omegaconf import OmegaConf

from bottleneck.commands.folder import config_dir

__all__ = ["config_dir"]

OmegaConf.register_new_resolver(
    "given", lambda value, then, otherwise: otherwise if value is None else then, replace=True
)
