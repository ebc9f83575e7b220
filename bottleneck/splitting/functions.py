"""A `torch.autograd.Function` as one operation of a graph: what it consists of has not its backward."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch

#: Whoever sees a network changes what every thread calls, and one that ends restores what it found.
ALONE = threading.Lock()


class Whole:
    """Applies a function.

    Args:
        function: Whose `apply` it calls.
    """

    def __init__(self, function: type[torch.autograd.Function]) -> None:
        self.function = function
        self.__name__ = function.__name__

    def __call__(self, *args: Any) -> Any:
        return self.function.apply(*args)


@contextlib.contextmanager
def functions_whole(call: Callable[[Callable[..., Any], Whole, tuple[Any, ...]], Any]) -> Iterator[None]:
    """Let `call` stand for every function that this thread applies; others go on as ever.

    Args:
        call: Takes the function's own `apply`, the function as an operation, and what it is applied to.
    """
    apply, here = torch.autograd.Function.__dict__["apply"], threading.get_ident()

    def applied(function: Any, *args: Any) -> Any:
        own = apply.__get__(None, function)
        return call(own, Whole(function), args) if threading.get_ident() == here else own(*args)

    torch.autograd.Function.apply = classmethod(applied)
    try:
        yield
    finally:
        torch.autograd.Function.apply = apply
