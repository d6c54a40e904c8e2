"""CLIP ViT-B/16's image tower in PyTorch, from a graph with int8 weights that a registry package carries.

Radford et al. 2021, https://arxiv.org/abs/2103.00020. The graph's own activations are quantised for each
tensor, which costs much; here the weights are taken out of it and everything is computed in floats.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from layerwatch.vision.large.tower import MEAN, PATCH, STD

WIDTH = 768
"""Of CLIP ViT-B/16's tokens."""

POSITIONS = "vision_model.embeddings.position_embedding.weight"

Weights = dict[str, Tensor]


def read_weights(path: Path) -> Weights:
    """The tower's float weights by name (`vision_model.encoder.layers.0.mlp.fc1.weight`, …).

    A matrix is stored as int8 with a scale and a zero point for each output; it comes out as [outputs,
    inputs].
    """
    graph = onnx.load(path).graph
    kept = {t.name: t for t in graph.initializer}

    def array(name: str) -> NDArray[np.float32]:
        return numpy_helper.to_array(kept[name]).astype(np.float32)

    found = {name: torch.from_numpy(array(name)) for name in kept if name.startswith("vision_model.")}
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        name = node.name.strip("/").removesuffix("/MatMul_quant").replace("/", ".")
        scale = array(node.input[1].removesuffix("_quantized") + "_scale")
        matrix = (array(node.input[1]) - array(node.input[3])) * scale
        found[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(matrix.T))
    return found


def positions(weights: Weights, side: int) -> Tensor:
    """[1 + side², WIDTH] position embeddings, interpolated to a grid of another side than the trained one."""
    trained = weights[POSITIONS]
    grid = round((len(trained) - 1) ** 0.5)
    image = trained[1:].T.reshape(1, -1, grid, grid)
    if side != grid:
        image = F.interpolate(image, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([trained[:1], image[0].flatten(1).T])


class Block(nn.Module):
    """A transformer block. The stream between blocks stays in float32."""

    def __init__(self, weights: Weights, number: int, dtype: torch.dtype):
        super().__init__()
        prefix = f"vision_model.encoder.layers.{number}"

        def pair(*names: str) -> tuple[Tensor, Tensor]:
            both = ("weight", "bias")
            w, b = (torch.cat([weights[f"{prefix}.{name}.{what}"] for name in names]) for what in both)
            return w, b

        self.norms = [pair("layer_norm1"), pair("layer_norm2")]
        matrices = [pair(*(f"self_attn.{n}_proj" for n in "qkv")), pair("self_attn.out_proj")]
        matrices += [pair("mlp.fc1"), pair("mlp.fc2")]
        self.matrices = [(w.to(dtype), b.to(dtype)) for w, b in matrices]
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        width = x.shape[-1]
        seen = F.layer_norm(x, (width,), *self.norms[0], 1e-5).to(self.dtype)
        query, key, value = (
            F.linear(seen, *self.matrices[0]).view(len(x), -1, 3, width // 64, 64).permute(2, 0, 3, 1, 4)
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = x + F.linear(mixed, *self.matrices[1])
        seen = F.layer_norm(x, (width,), *self.norms[1], 1e-5).to(self.dtype)
        wide = F.linear(seen, *self.matrices[2])
        return x + F.linear(wide * torch.sigmoid(1.702 * wide), *self.matrices[3])


class Tower(nn.Module):
    """uint8 [N, 3, S, S] RGB → tokens [N, 1 + (S/16)², WIDTH] of one block, the class token first."""

    def __init__(self, weights: Weights, size: int, block: int, dtype: torch.dtype = torch.bfloat16):
        """size: pixels a side, a multiple of 16. block: number, from 1, of the block whose output is
        wanted."""
        super().__init__()
        self.dtype, self.weights = dtype, weights
        self.position = positions(weights, size // PATCH)
        self.blocks = nn.ModuleList(Block(weights, n, dtype) for n in range(block))
        self.patches = weights["vision_model.embeddings.patch_embedding.weight"].to(dtype)

    def forward(self, images: Tensor) -> Tensor:
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
        x = ((images / 255 - mean) / std).to(self.dtype)
        x = F.conv2d(x, self.patches, stride=PATCH).flatten(2).transpose(1, 2).float()
        first = self.weights["vision_model.embeddings.class_embedding"].expand(len(x), 1, -1)
        scale, shift = (self.weights[f"vision_model.pre_layrnorm.{n}"] for n in ("weight", "bias"))
        x = F.layer_norm(torch.cat([first, x], dim=1) + self.position, (x.shape[-1],), scale, shift, 1e-5)
        for block in self.blocks:
            x = block(x)
        return x
