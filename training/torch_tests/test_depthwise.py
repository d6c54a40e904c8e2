"""The gradients of `depthwise` against those of PyTorch."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from layerwatch_train.depthwise import depthwise


def gradients(out: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).reshape(out.shape)
    return torch.autograd.grad(out, of, weights)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1)])
@pytest.mark.parametrize(("side", "padded"), [(12, True), (13, False), (14, False)])
def test_outputs_and_gradients_are_those_of_conv2d(kernel: int, stride: int, side: int, padded: bool) -> None:
    torch.manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, dtype=torch.float64).requires_grad_()
        for shape in ((2, 4, side, side), (4, 1, kernel, kernel), (4,))
    )
    padding = kernel // 2 if padded else 0
    ours = depthwise(x, weight, bias, stride, padding)
    theirs = F.conv2d(x, weight, bias, stride, padding, 1, 4)
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(gradients(ours, x, weight, bias), gradients(theirs, x, weight, bias), strict=True):
        torch.testing.assert_close(one, other)


def test_under_autocast_it_works_in_bfloat16_and_weights_get_gradients_of_their_own_kind() -> None:
    x, weight = torch.randn(1, 8, 16, 16), torch.randn(8, 1, 5, 5).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = depthwise(x, weight, torch.zeros(8), 1, 2)
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16
    assert weight.grad is not None and weight.grad.dtype == torch.float32
    exact = torch.autograd.grad(F.conv2d(x, weight, None, 1, 2, 1, 8).sum(), weight)[0]
    torch.testing.assert_close(weight.grad, exact, atol=0.15, rtol=0.05)
