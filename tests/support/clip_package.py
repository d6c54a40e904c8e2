"""A made-up package that carries a small image tower in the form that CLIP's comes in: weights int8, every
activation quantised on its way into a MatMul. Its weights are random."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from layerwatch.vision import KINDS
from layerwatch.vision.large.package import PinnedFile

WIDTH, BLOCKS, TRAINED_GRID, PATCH = 64, 2, 2, 16
MEMBER = "made_up/models/tower.int8.onnx"


class _Tower:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, *inputs: str, output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def weight(self, name: str, *shape: int) -> str:
        return self.constant(name, self.rng.normal(0, 0.2, shape).astype(np.float32))

    def norm(self, x: str, name: str) -> str:
        scale = self.constant(f"{name}.weight", self.rng.uniform(0.5, 1.5, WIDTH).astype(np.float32))
        shift = self.weight(f"{name}.bias", WIDTH)
        return self.node("LayerNormalization", x, scale, shift, output=f"{name}_out", axis=-1)

    def linear(self, x: str, name: str, inputs: int, outputs: int) -> str:
        """A dynamically quantised MatMul and its bias; `name` with slashes, as exporters write it."""
        dotted = name.strip("/").replace("/", ".")
        weight = self.rng.integers(-127, 128, (inputs, outputs), dtype=np.int8)
        w = self.constant(f"{dotted}_quantized", weight)
        scale = self.constant(f"{dotted}_scale", self.rng.uniform(0.001, 0.003, outputs).astype(np.float32))
        zero = self.constant(f"{dotted}_zero_point", np.zeros(outputs, np.int8))
        parts = [f"{name}_x", f"{name}_x_scale", f"{name}_x_zero"]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], parts, name=f"{name}_quantise"))
        both = self.node("Mul", parts[1], scale, output=f"{name}_scales")
        whole = self.node("MatMulInteger", parts[0], w, parts[2], zero, output=f"{name}/MatMul_quant")
        cast = self.node("Cast", whole, output=f"{name}_cast", to=TensorProto.FLOAT)
        product = self.node("Mul", cast, both, output=f"{name}/MatMul_output_0")
        return self.node("Add", product, self.weight(f"{dotted}.bias", outputs), output=f"{name}_out")

    def block(self, x: str, number: int) -> str:
        path, dotted = f"/vision_model/encoder/layers.{number}", f"vision_model.encoder.layers.{number}"
        seen = self.norm(x, f"{dotted}.layer_norm1")
        query, key, value = (self.linear(seen, f"{path}/self_attn/{n}_proj", WIDTH, WIDTH) for n in "qkv")
        turned = self.node("Transpose", key, output=f"{path}/turned", perm=[0, 2, 1])
        root = self.constant(f"{path}/root", np.float32(WIDTH**-0.5))
        fits = self.node("MatMul", query, turned, output=f"{path}/fits")
        fits = self.node("Mul", fits, root, output=f"{path}/scaled")
        share = self.node("Softmax", fits, output=f"{path}/share", axis=-1)
        mixed = self.node("MatMul", share, value, output=f"{path}/mixed")
        mixed = self.linear(mixed, f"{path}/self_attn/out_proj", WIDTH, WIDTH)
        x = self.node("Add", x, mixed, output=f"{path}/Add_output_0")
        wide = self.linear(self.norm(x, f"{dotted}.layer_norm2"), f"{path}/mlp/fc1", WIDTH, 4 * WIDTH)
        factor = self.constant(f"{path}/factor", np.float32(1.702))
        gate = self.node(
            "Sigmoid", self.node("Mul", wide, factor, output=f"{path}/by"), output=f"{path}/gate"
        )
        wide = self.node("Mul", wide, gate, output=f"{path}/active")
        return self.node(
            "Add", x, self.linear(wide, f"{path}/mlp/fc2", 4 * WIDTH, WIDTH), output=f"{path}/Add_1_output_0"
        )


def tower_model(seed: int = 0) -> onnx.ModelProto:
    """The packaged graph: `pixel_values` [N, 3, 32, 32] in."""
    t = _Tower(seed)
    t.weight("vision_model.embeddings.patch_embedding.weight", WIDTH, 3, PATCH, PATCH)
    t.weight("vision_model.embeddings.class_embedding", 1, 1, WIDTH)
    tokens = 1 + TRAINED_GRID**2
    t.weight("vision_model.embeddings.position_embedding.weight", tokens, WIDTH)
    t.constant("order", np.arange(tokens, dtype=np.int64)[None])
    t.constant("flat", np.array([0, WIDTH, -1], np.int64))
    x = t.node(
        "Conv",
        "pixel_values",
        "vision_model.embeddings.patch_embedding.weight",
        output="patches",
        strides=[PATCH, PATCH],
    )
    x = t.node(
        "Transpose", t.node("Reshape", x, "flat", output="flattened"), output="sequence", perm=[0, 2, 1]
    )
    first = t.node(
        "Mul",
        t.node("ReduceMean", x, output="any", axes=[1]),
        t.constant("none", np.float32(0)),
        output="empty",
    )
    first = t.node("Add", first, "vision_model.embeddings.class_embedding", output="first")
    x = t.node("Concat", first, x, output="all", axis=1)
    places = t.node("Gather", "vision_model.embeddings.position_embedding.weight", "order", output="places")
    x = t.norm(t.node("Add", x, places, output="placed"), "vision_model.pre_layrnorm")
    for number in range(BLOCKS):
        x = t.block(x, number)
    side = TRAINED_GRID * PATCH
    picture = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, side, side])
    out = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n", tokens, WIDTH])
    graph = helper.make_graph(t.nodes, "made up", [picture], [out], t.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def head_model(size: int = 64, block: int = BLOCKS, width: int = WIDTH) -> onnx.ModelProto:
    """A head that reads the tower's tokens at `size` pixels a side: random weights in the form that ships."""
    grid, rng = size // PATCH, np.random.default_rng(1)
    weights = {
        "picked": rng.normal(0, 0.1, (width, 2 + len(KINDS))).astype(np.float32),
        "cells": rng.normal(0, 0.1, (width, 1)).astype(np.float32),
        "zero": np.int64(0),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "third": np.array([2], np.int64),
        "last": np.array([2 + len(KINDS)], np.int64),
        "patches": np.array([1 + grid * grid], np.int64),
        "square": np.array([0, grid, grid], np.int64),
        "one": np.array([-1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["tokens", "zero"], ["class"], axis=1),
        helper.make_node("MatMul", ["class", "picked"], ["said"]),
        helper.make_node("Sigmoid", ["said"], ["chances"]),
        helper.make_node("Slice", ["chances", "first", "second", "second"], ["failures"]),
        helper.make_node("Reshape", ["failures", "one"], ["failure"]),
        helper.make_node("Slice", ["chances", "second", "third", "second"], ["views"]),
        helper.make_node("Reshape", ["views", "one"], ["in_view"]),
        helper.make_node("Slice", ["chances", "third", "last", "second"], ["kinds"]),
        helper.make_node("Slice", ["tokens", "second", "patches", "second"], ["squares"]),
        helper.make_node("MatMul", ["squares", "cells"], ["marks"]),
        helper.make_node("Sigmoid", ["marks"], ["heat"]),
        helper.make_node("Reshape", ["heat", "square"], ["map"]),
    ]
    shapes = {"failure": ["n"], "kinds": ["n", len(KINDS)], "map": ["n", grid, grid], "in_view": ["n"]}
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["n", 1 + grid * grid, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in (
        ("layerwatch.version", "large-made-up"),
        ("layerwatch.kinds", ",".join(KINDS)),
        ("layerwatch.size", str(size)),
        ("layerwatch.trained", "2026-11-28"),
        ("layerwatch.block", str(block)),
    ):
        made.metadata_props.add(key=key, value=value)
    return made


def wheel(folder: Path, tower: onnx.ModelProto | None = None) -> tuple[Path, PinnedFile]:
    """A wheel that pip can download, with the tower in it, and what pins it."""
    blob = (tower or tower_model()).SerializeToString()
    path = folder / "made_up_tower-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: made-up-tower\nVersion: 1.0\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, blob)
        archive.writestr("made_up_tower-1.0.dist-info/METADATA", about)
        archive.writestr("made_up_tower-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("made_up_tower-1.0.dist-info/RECORD", "")
    pinned = PinnedFile(
        "made-up-tower",
        "1.0",
        hashlib.sha256(path.read_bytes()).hexdigest(),
        MEMBER,
        hashlib.sha256(blob).hexdigest(),
    )
    return path, pinned
