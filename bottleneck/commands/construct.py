"""Objects out of the configuration: what Hydra makes of a `_target_`, with plain lists and mappings."""

from typing import Any

from hydra.utils import instantiate


def construct(node: Any, **options: Any) -> Any:
    """What a node of the configuration describes; `None` for null.

    Its lists and mappings arrive as Python's own: constructors of other packages may refuse Hydra's, as
    Hugging Face's configurations do.

    Args:
        node: A node with `_target_`, or null.
        options: Arguments in the place of the node's.
    """
    return instantiate(node, _convert_="all", **options)
