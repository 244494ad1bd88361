"""What ties a tensor of the graph to a tensor of the ONNX model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend.layout import Layout
from compiler.frontend.steps import Quant

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Binding:
    """Graph tensor `tensor` holds the codes of ONNX tensor `onnx`, in the memory order of `layout`.

    The ONNX tensor may be float (codes are its quantisation) or hold the codes themselves.
    stored_shape: the graph tensor's shape.
    """

    tensor: str
    onnx: str
    layout: Layout
    quant: Quant
    stored_shape: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The ONNX tensor's shape, with batch 1."""
        return self.layout.shape

    def encode(self, array: AnyArray) -> AnyArray:
        """Codes, in the graph tensor's shape, of an ONNX array: real values, or integer codes as they are.

        Raises ValueError where the number of elements is not the tensor's, or an integer is no code.
        """
        logical = np.asarray(array).reshape(self.shape)
        if logical.dtype.kind == "f":
            codes = self.quant.encode(logical)
        else:
            dtype = self.quant.dtype
            if logical.size and not dtype.low <= logical.min() <= logical.max() <= dtype.high:
                raise ValueError(f"{self.onnx}: integers outside {dtype.value}")
            codes = logical.astype(dtype.dtype)
        return self.layout.stored(codes).reshape(self.stored_shape)

    def decode(self, codes: AnyArray) -> AnyArray:
        """Real values, in the ONNX tensor's shape, of the graph tensor's codes."""
        return self.quant.decode(self.logical(codes))

    def logical(self, codes: AnyArray) -> AnyArray:
        """The graph tensor's codes in the ONNX tensor's shape."""
        return self.layout.logical(np.asarray(codes).reshape(-1))
