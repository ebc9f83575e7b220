"""The folder of the configuration for whoever composes it, and what its files may say beside plain values.

`${given:${target_drop},0.1,0}` is a value for a key that is given, and another for one that is null;
`${bfloat16_on:${device},bf16-mixed,32-true}` one where training in bfloat16 is faster, another
elsewhere.
"""

from typing import Any

from omegaconf import OmegaConf

from bottleneck.commands.folder import config_dir

__all__ = ["config_dir"]

OmegaConf.register_new_resolver(
    "given", lambda value, then, otherwise: otherwise if value is None else then, replace=True
)


def _bfloat16_on(device: str, then: Any, otherwise: Any) -> Any:
    from bottleneck.devices import fast_in_bfloat16  # PyTorch is not imported to compose a configuration

    return then if fast_in_bfloat16(device) else otherwise


OmegaConf.register_new_resolver("bfloat16_on", _bfloat16_on, replace=True)
