"""Multiply-accumulates, counted while a network runs."""

from typing import Any, Self

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

_CPU_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # PyTorch counts the GPU's alone


class MacCounter(TorchDispatchMode):
    """Count the multiply-accumulates of convolutions and matrix products inside a `with` block.

    As PyTorch's `FlopCounterMode` does, by the same formulas, but without loading PyTorch's compiler first,
    which takes longer than the whole profile of a small network, and with attention as the CPU computes it.

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

    def __enter__(self) -> Self:
        # The fused path of MultiheadAttention hides its matrix products.
        self._fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        torch.backends.mha.set_fastpath_enabled(self._fused)
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing here is compiled

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operation = getattr(func, "_overloadpacket", func)
        if operation is _CPU_ATTENTION:
            self._flops += sdpa_flop_count(*(tensor.shape for tensor in args[:3]))
            return func(*args, **kwargs)
        if operation not in flop_registry and hasattr(func, "decompose"):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if operation in flop_registry:
            self._flops += flop_registry[operation](*args, **kwargs, out_val=result)
        return result
