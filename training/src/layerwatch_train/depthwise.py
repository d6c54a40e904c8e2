"""Depthwise convolutions whose gradients are quick on a processor.

In bfloat16 oneDNN falls back to its reference kernels for the input gradient of a strided depthwise
convolution and for the weight gradient of a 5x5 one: half of a training step and more. Both are said here
with kernels that it has: an input gradient is a convolution of the gradient, spread out with zeros, with the
kernel turned around; a weight gradient of 5x5 is made of four of 3x3.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_QUICK = 3
"""Kernel side up to which oneDNN has a weight gradient of its own."""


def depthwise(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """As `F.conv2d` with a group for each of the C channels: x [N, C, H, W], weight [C, 1, K, K] with K odd,
    bias [C]."""
    if x.device.type == "cpu" and torch.is_grad_enabled():
        out: Tensor = _Depthwise.apply(x, weight, bias, stride, padding)  # type: ignore[no-untyped-call]
        return out
    return F.conv2d(x, weight, bias, stride, padding, 1, weight.shape[0])


class _Depthwise(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding, 1, weight.shape[0])

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias, *_ = ctx.needs_input_grad
        return (
            _input_gradient(gradient, x, weight, ctx.stride, ctx.padding) if to_x else None,
            _weight_gradient(gradient, x, weight, ctx.stride, ctx.padding) if to_weight else None,
            gradient.sum((0, 2, 3)) if to_bias else None,
            None,
            None,
        )


def _input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    kernel = weight.shape[2]
    if stride > 1:
        height, width = (side + 2 * padding - kernel + 1 for side in x.shape[2:])
        spread = torch.empty(
            (*x.shape[:2], height, width), dtype=x.dtype, memory_format=torch.channels_last
        ).zero_()
        spread[:, :, ::stride, ::stride] = gradient
        gradient = spread
    turned = weight.flip((2, 3))
    return F.conv2d(gradient, turned, None, 1, kernel - 1 - padding, 1, weight.shape[0])


def _weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    kernel = weight.shape[2]
    if kernel <= _QUICK:
        return _native(gradient, x, weight, stride, padding)
    x = F.pad(x, (padding, padding, padding, padding))
    height, width = ((side - 1) * stride + _QUICK for side in gradient.shape[2:])
    out = torch.empty_like(weight)
    starts = [*range(0, kernel - _QUICK, _QUICK), kernel - _QUICK]  # the last may overlap the one before it
    for down in starts:
        for right in starts:
            part = x[:, :, down : down + height, right : right + width]
            part = part.contiguous(memory_format=torch.channels_last)
            window = weight[:, :, :_QUICK, :_QUICK]
            out[:, :, down : down + _QUICK, right : right + _QUICK] = _native(
                gradient, part, window, stride, 0
            )
    return out


def _native(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    strides, paddings = [stride, stride], [padding, padding]
    made = torch.ops.aten.convolution_backward(
        gradient,
        x,
        weight,
        None,
        strides,
        paddings,
        [1, 1],
        False,
        [0, 0],
        weight.shape[0],
        (False, True, False),
    )
    out: Tensor = made[1]
    return out
