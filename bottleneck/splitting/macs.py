"""Multiply-accumulates, counted while a network runs."""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class MacCounter(TorchDispatchMode):
    """Count the multiply-accumulates of convolutions and matrix products inside a `with` block.

    As PyTorch's `FlopCounterMode` does, by the same formulas, but without loading PyTorch's compiler first,
    which takes longer than the whole profile of a small network.

    Attributes:
        macs: How many there were so far.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._flops = 0

    @property
    def macs(self) -> int:
        return self._flops // 2

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing here is compiled

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operation = getattr(func, "_overloadpacket", func)
        if operation not in flop_registry and hasattr(func, "decompose"):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if operation in flop_registry:
            self._flops += flop_registry[operation](*args, **kwargs, out_val=result)
        return result
