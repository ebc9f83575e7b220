"""What a module's split point looks like, learned by running the module once, up to there."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bottleneck.identity import evaluating


class Probe(NamedTuple):
    """What one run showed: the batch of features behind the split point, and one image that led to it."""

    feature: Tensor
    image: Tensor


class _Reached(BaseException):
    """The split point was run; nothing behind it needs to be. Not an Exception, so no handler takes it."""

    def __init__(self, output: Any):
        self.output = output


def probe(module: nn.Module, at: str, run: Callable[[], Any]) -> Probe:
    """Run a module until its split point, in eval mode and without gradients.

    The image is the first 4-D tensor that enters the outermost module around the split point; where none of
    these is called, the first that enters any module.

    Args:
        module: Whose submodule `at` is.
        at: Name of the split point.
        run: Runs the module on a batch.

    Raises:
        ValueError: If the split point is not run, or does not return one 4-D tensor.
    """
    images: dict[str, Tensor] = {}

    def remember(path: str) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = (*args, *kwargs.values())
            maps = [value for value in given if isinstance(value, Tensor) and value.ndim == 4]
            if maps and path not in images:
                images[path] = maps[0][:1].clone()

        return hook

    def stop(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        raise _Reached(output)

    handles = [
        submodule.register_forward_pre_hook(remember(path), with_kwargs=True)
        for path, submodule in module.named_modules()
    ]
    handles.append(module.get_submodule(at).register_forward_hook(stop))
    try:
        with evaluating(module), torch.no_grad(), torch.compiler.set_stance("force_eager"):
            run()
    except _Reached as reached:
        feature = as_feature(reached.output, at)
    except Exception as error:
        raise ValueError(
            f"{type(module).__name__} cannot be run ahead of training, to learn the feature's size at {at!r} "
            f"({type(error).__name__}: {error}). Pass example=, a batch of images as its forward takes it."
        ) from error
    else:
        raise ValueError(
            f"at={at!r} is not run by this module on a training batch. Name a submodule that is."
        )
    finally:
        for handle in handles:
            handle.remove()
    if not images:
        raise ValueError(
            f"No image (a 4-D tensor) enters a module before at={at!r}. Pass example=, a batch of images as "
            "the module's forward takes it."
        )
    path = next((name for name in names_around(at) if name in images), next(iter(images)))
    return Probe(feature, images[path])


def as_feature(output: Any, at: str) -> Tensor:
    """The output of a split point, if a unit can send it.

    Raises:
        ValueError: If it is not one tensor of 3 or 4 dimensions.
    """
    if isinstance(output, Tensor) and output.ndim in (3, 4):
        return output
    found = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    raise ValueError(
        f"at={at!r} returns {found}; a bottleneck needs one 4-D tensor (batch, channels, height, width), or "
        "for kind='tokens' (batch, tokens, channels). Name a submodule that returns one, such as "
        "a convolutional stage."
    )


def names_around(at: str) -> list[str]:
    """Names of the modules that contain a module, outermost (the whole, with an empty name) first."""
    parts = at.split(".")
    return [".".join(parts[:depth]) for depth in range(len(parts))]
