"""Whether matrix products round their factors to 16 bits in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["has_16_bit_products", "matrix_precision"]


def has_16_bit_products(device: torch.device) -> bool:
    """Say whether the device has instructions for products of bfloat16 numbers.

    oneDNN offers such products on any processor with AVX-512. Without the instructions it emulates
    them, at half the speed of products in single precision.

    Examples
    --------
    >>> isinstance(has_16_bit_products(torch.device("cpu")), bool)
    True
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    if torch.backends.cpu.get_cpu_capability().startswith(("SVE", "NEON", "DEFAULT")):
        return True  # on ARM oneDNN asks for the instructions themselves
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


@contextmanager
def matrix_precision(name: str, device: torch.device) -> Iterator[None]:
    """Set the precision of matrix products while the body of the ``with`` statement runs.

    Parameters
    ----------
    name
        ``"fast"``, for 16 bits where the device has instructions for it, or ``"full"``.
    device
        Where products are computed.

    Examples
    --------
    >>> with matrix_precision("full", torch.device("cpu")):
    ...     torch.get_float32_matmul_precision()
    'highest'
    """
    before = torch.get_float32_matmul_precision()
    fast = name == "fast" and has_16_bit_products(device)
    torch.set_float32_matmul_precision("medium" if fast else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
