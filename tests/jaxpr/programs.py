"""Programs whose arithmetic is known by hand: matrix products and convolutions, in operations.

Each entry: a function without arguments that gives (function, arguments, operations). The formulas
were written before anything was run. B batch, T time, D width, and so on.

Longer than 400 lines, as it is a table: each case is a few lines, and one place has them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax

Program = tuple[Callable[..., Any], tuple[Any, ...], int]
PROGRAMS: dict[str, Callable[[], Program]] = {}


def program(make: Callable[[], Program]) -> Callable[[], Program]:
    PROGRAMS[make.__name__] = make
    return make


def f32(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def i32(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.int32)


@program
def attention_block() -> Program:
    B, T, D, H = 2, 16, 32, 4

    def block(x: Any, qkv: Any, out: Any) -> Any:
        q, k, v = jnp.moveaxis((x @ qkv).reshape(B, T, 3, H, D // H), 2, 0)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(D // H)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
        return mixed.reshape(B, T, D) @ out

    # qkv 2BT D 3D, scores and mixing 2BTT D each, out 2BT D D
    flops = 2 * B * T * D * 3 * D + 2 * 2 * B * T * T * D + 2 * B * T * D * D
    return block, (f32(B, T, D), f32(D, 3 * D), f32(D, D)), flops


@program
def grouped_query_attention() -> Program:
    B, S, T, N, K, H = 2, 8, 12, 6, 2, 5
    # every one of N heads: scores 2 S T H, mixing 2 S T H
    shapes = f32(B, S, N, H), f32(B, T, K, H), f32(B, T, K, H)
    return jax.nn.dot_product_attention, shapes, 2 * 2 * B * N * S * T * H


@program
def convnet() -> Program:
    B = 2

    def net(x: Any, a: Any, b: Any, dense: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        conv = partial(lax.conv_general_dilated, padding="SAME", dimension_numbers=numbers)
        x = jax.nn.relu(conv(x, a, window_strides=(1, 1)))
        x = jax.nn.relu(conv(x, b, window_strides=(2, 2)))
        return x.mean((1, 2)) @ dense

    # 28x28, window 3x3 of 1 channel to 8; 14x14, 3x3 of 8 to 16; 16 to 10
    flops = 2 * B * 28 * 28 * 8 * 9 * 1 + 2 * B * 14 * 14 * 16 * 9 * 8 + 2 * B * 16 * 10
    return net, (f32(B, 28, 28, 1), f32(3, 3, 1, 8), f32(3, 3, 8, 16), f32(16, 10)), flops


@program
def depthwise_convolution() -> Program:
    def conv(x: Any, k: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(
            x, k, (1, 1), "VALID", dimension_numbers=numbers, feature_group_count=6
        )

    # one input channel a group: 2 x output (3, 10, 10, 12) x 5x5 x 1
    return conv, (f32(3, 14, 14, 6), f32(5, 5, 1, 12)), 2 * 3 * 10 * 10 * 12 * 25


@program
def batch_grouped_convolution() -> Program:
    def conv(x: Any, k: Any) -> Any:
        return lax.conv_general_dilated(x, k, (1,), "VALID", batch_group_count=2)

    # NCH: 4 rows in 2 groups give 2; 6 channels out of 3 in, window 3, 10 places to 8
    return conv, (f32(4, 3, 10), f32(6, 3, 3)), 2 * 2 * 6 * 8 * 3 * 3


@program
def dilated_convolution() -> Program:
    def conv(x: Any, k: Any) -> Any:
        return lax.conv_general_dilated(x, k, (1,), "VALID", rhs_dilation=(4,))

    # the window of 3 reaches over 9 places: 32 - 8 = 24 outputs
    return conv, (f32(2, 3, 32), f32(5, 3, 3)), 2 * 2 * 5 * 24 * 3 * 3


@program
def transposed_convolution() -> Program:
    def conv(x: Any, k: Any) -> Any:
        return lax.conv_transpose(x, k, (2,), "SAME", dimension_numbers=("NHC", "HIO", "NHC"))

    # 16 places become 32; naively each sees the whole window of 4
    return conv, (f32(2, 16, 3), f32(4, 3, 5)), 2 * 2 * 32 * 5 * 4 * 3


@program
def convolution_gradients() -> Program:
    def loss(x: Any, k: Any) -> Any:
        return jnp.sum(lax.conv_general_dilated(x, k, (1, 1), "VALID") ** 2)

    # NCHW: forward 2 x (2,5,6,6) x 3x3 x 4. Of the kernel: output (5,4,3,3), window 6x6 and 2
    # rows: the same number. Of the image: output (2,4,8,8), window 3x3 of 5 channels.
    forward = 2 * 2 * 5 * 6 * 6 * 9 * 4
    image = 2 * 2 * 4 * 8 * 8 * 9 * 5
    return jax.grad(loss, (0, 1)), (f32(2, 4, 8, 8), f32(5, 4, 3, 3)), 2 * forward + image


@program
def lstm_scan() -> Program:
    B, T, D, H = 3, 20, 8, 16

    def run(xs: Any, wx: Any, wh: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(x @ wx + h @ wh, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        return lax.scan(step, (jnp.zeros((B, H)), jnp.zeros((B, H))), xs)[0]

    # each of T steps: 2 B D 4H + 2 B H 4H
    flops = T * (2 * B * D * 4 * H + 2 * B * H * 4 * H)
    return run, (f32(T, B, D), f32(D, 4 * H), f32(H, 4 * H)), flops


@program
def gru_gradient() -> Program:
    B, T, D, H = 2, 7, 4, 6

    def loss(w: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            r, z = jnp.split(jax.nn.sigmoid(jnp.concatenate([x, h], -1) @ w[0]), 2, -1)
            n = jnp.tanh(jnp.concatenate([x, r * h], -1) @ w[1])
            return (1 - z) * n + z * h, None

        return jnp.sum(lax.scan(step, jnp.zeros((B, H)), xs)[0] ** 2)

    # forward 2 B (D+H) 2H + 2 B (D+H) H a step; backward twice that: of weights and of inputs
    forward = T * (2 * B * (D + H) * 2 * H + 2 * B * (D + H) * H)
    return jax.grad(loss), ((f32(D + H, 2 * H), f32(D + H, H)), f32(T, B, D)), 3 * forward


@program
def nested_scans() -> Program:
    n = 8

    def outer(x: Any) -> Any:
        def step(x: Any, _: Any) -> Any:
            inner = lax.scan(lambda y, _: (y @ y, None), x, None, length=5, unroll=5)[0]
            return inner @ x, None

        return lax.fori_loop(0, 2, lambda i, y: y @ y, lax.scan(step, x, None, length=3)[0])

    # 3 x (5 + 1) products and 2 of the fori_loop
    return outer, (f32(n, n),), (3 * 6 + 2) * 2 * n**3


@program
def moe_gather() -> Program:
    N, D, F, E = 32, 8, 24, 4

    def moe(x: Any, gate: Any, up: Any, down: Any) -> Any:
        chosen = jnp.argmax(x @ gate, -1)
        hidden = jnp.einsum("nd,ndf->nf", x, up[chosen])
        return jnp.einsum("nf,nfd->nd", jax.nn.gelu(hidden), down[chosen])

    # the gate 2 N D E; each token its own expert: 2 N D F up, as much down
    return moe, (f32(N, D), f32(D, E), f32(E, D, F), f32(E, F, D)), 2 * N * D * E + 4 * N * D * F


@program
def moe_one_hot() -> Program:
    N, D, F, E, C = 32, 8, 24, 4, 10

    def moe(x: Any, dispatch: Any, up: Any) -> Any:
        inputs = jnp.einsum("nec,nd->ecd", dispatch, x)
        outputs = jnp.einsum("ecd,edf->ecf", inputs, up)
        return jnp.einsum("nec,ecf->nf", dispatch, outputs)

    # 2 N E C D to experts, 2 E C D F in them, 2 N E C F back
    flops = 2 * N * E * C * D + 2 * E * C * D * F + 2 * N * E * C * F
    return moe, (f32(N, D), f32(N, E, C), f32(E, D, F)), flops


@program
def ragged_experts() -> Program:
    N, D, F, E = 12, 8, 6, 3
    # every row meets the matrix of its group: 2 N D F
    return lax.ragged_dot, (f32(N, D), f32(E, D, F), i32(E)), 2 * N * D * F


@program
def remat_mlp() -> Program:
    B, D = 4, 16

    def loss(ws: Any, x: Any) -> Any:
        for w in ws:
            x = jax.checkpoint(lambda w, x: jnp.tanh(x @ w))(w, x)
        return jnp.sum(x**2)

    # 3 layers of 2 B D D: forward, again when going backward, the weights' gradients, and those of
    # the inputs except of the first layer
    return jax.grad(loss), ([f32(D, D)] * 3, f32(B, D)), (3 + 3 + 3 + 2) * 2 * B * D * D


@program
def remat_with_policy() -> Program:
    B, D = 4, 16

    @partial(jax.checkpoint, policy=jax.checkpoint_policies.dots_saveable)
    def layer(w: Any, x: Any) -> Any:
        return jnp.tanh(x @ w)

    def loss(w: Any, x: Any) -> Any:
        return jnp.sum(layer(w, layer(w, x)) ** 2)

    # products are kept and not done again: 2 forward, 2 of the weights, 1 of the inputs
    return jax.grad(loss), (f32(D, D), f32(B, D)), 5 * 2 * B * D * D


@program
def custom_vjp_matmul() -> Program:
    M, K, N = 3, 5, 7

    @jax.custom_vjp
    def product(x: Any, w: Any) -> Any:
        return x @ w

    def forward(x: Any, w: Any) -> Any:
        return x @ w, (x, w)

    def backward(kept: Any, g: Any) -> Any:
        x, w = kept
        return g @ w.T, x.T @ g

    product.defvjp(forward, backward)
    # forward, and two products backward, of 2 M K N each
    loss = jax.grad(lambda x, w: jnp.sum(product(x, w) ** 2), (0, 1))
    return loss, (f32(M, K), f32(K, N)), 3 * 2 * M * K * N


@program
def custom_jvp_product() -> Program:
    n = 6

    @jax.custom_jvp
    def squared(x: Any) -> Any:
        return x @ x

    @squared.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return squared(x), x @ t + t @ x

    def both(x: Any, t: Any) -> Any:
        return jax.jvp(squared, (x,), (t,))

    return both, (f32(n, n), f32(n, n)), 3 * 2 * n**3


@program
def shard_map_matmul() -> Program:
    M, K, N = 8, 16, 4
    auto = jax.sharding.AxisType.Auto
    mesh = jax.make_mesh((4,), ("i",), axis_types=(auto,))
    P = jax.sharding.PartitionSpec

    def product(x: Any, w: Any) -> Any:
        return lax.psum(x @ w, "i")

    mapped = jax.shard_map(product, mesh=mesh, in_specs=(P(None, "i"), P("i")), out_specs=P())
    # each of 4 devices sums K / 4 products: all together what one device would do
    return mapped, (f32(M, K), f32(K, N)), 2 * M * K * N


@program
def pmap_matmul() -> Program:
    return jax.pmap(lambda x: x @ x), (f32(4, 5, 5),), 4 * 2 * 5**3


@program
def equinox_mlp() -> Program:
    net = eqx.nn.MLP(8, 3, 16, 2, key=jax.random.key(0))
    # a vector: 8 x 16, 16 x 16, 16 x 3
    return net, (f32(8),), 2 * (8 * 16 + 16 * 16 + 16 * 3)


@program
def equinox_filter_grad() -> Program:
    net = eqx.nn.MLP(8, 3, 16, 1, key=jax.random.key(0))

    def loss(net: Any, x: Any) -> Any:
        return jnp.mean(jax.vmap(net)(x) ** 2)

    # forward 8 x 16 and 16 x 3, weights the same, inputs of the second layer only; 5 rows
    return eqx.filter_jit(eqx.filter_grad(loss)), (net, f32(5, 8)), 2 * 5 * (2 * 128 + 3 * 48)


@program
def flax_nnx_step() -> Program:
    net = nnx.Linear(8, 16, rngs=nnx.Rngs(0))

    def step(net: Any, x: Any) -> Any:
        return nnx.value_and_grad(lambda net: jnp.mean(net(x) ** 2))(net)

    return nnx.jit(step), (net, f32(5, 8)), 2 * 2 * 5 * 8 * 16


@program
def optax_training_step() -> Program:
    B, D = 6, 10
    tx = optax.adam(1e-3)
    w = jnp.zeros((D, D))
    state = tx.init(w)

    @jax.jit
    def step(w: Any, state: Any, x: Any) -> Any:
        loss, grads = jax.value_and_grad(lambda w: jnp.mean((x @ w) ** 2))(w)
        updates, state = tx.update(grads, state)
        return optax.apply_updates(w, updates), state, loss

    return step, (w, state, f32(B, D)), 2 * 2 * B * D * D


@program
def per_example_gradients() -> Program:
    B, D = 6, 10

    def loss(w: Any, x: Any) -> Any:
        return jnp.sum((x @ w) ** 2)

    # x @ w for each row: 2 B D D; the gradient is an outer product for each: an elementwise
    # product or a contraction of length 1. jax.numpy makes it a dot_general: 2 B D D
    return jax.vmap(jax.grad(loss), (None, 0)), (f32(D, D), f32(B, D)), 2 * 2 * B * D * D


@program
def hessian() -> Program:
    D, K = 6, 9

    def f(x: Any, a: Any) -> Any:
        return jnp.sum((a @ x) ** 3)

    # forward over reverse: a x and its pull-back 2 K D each; for each of D tangents the same again
    return jax.hessian(f), (f32(D), f32(K, D)), 2 * 2 * K * D * (1 + D)


@program
def scan_over_layers() -> Program:
    L, B, D = 5, 3, 8

    def loss(ws: Any, x: Any) -> Any:
        return jnp.sum(lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, ws)[0] ** 2)

    # in a loop the first layer's input gets a gradient as the others do
    return jax.value_and_grad(loss), (f32(L, D, D), f32(B, D)), 3 * L * 2 * B * D * D


@program
def lax_map_in_batches() -> Program:
    # 10 rows in batches of 4: two batches and a rest of 2, each row a product of 2 x 6 x 6
    def run(xs: Any, w: Any) -> Any:
        return lax.map(lambda x: x @ w, xs, batch_size=4)

    return run, (f32(10, 6), f32(6, 6)), 10 * 2 * 6 * 6


@program
def kmeans() -> Program:
    N, K, D = 50, 4, 3

    def run(x: Any, centers: Any) -> Any:
        def step(centers: Any, _: Any) -> Any:
            squares = jnp.sum(centers**2, -1) - 2 * x @ centers.T
            member = jax.nn.one_hot(jnp.argmin(squares, -1), K)
            return member.T @ x / jnp.maximum(member.sum(0), 1)[:, None], None

        return lax.scan(step, centers, None, length=10)[0]

    # distances 2 N D K and sums 2 K N D, ten times
    return run, (f32(N, D), f32(K, D)), 10 * 2 * 2 * N * K * D


@program
def gaussian_process() -> Program:
    N, M, D = 20, 7, 3

    def predict(x: Any, y: Any, new: Any) -> Any:
        kernel = lambda a, b: jnp.exp(  # noqa: E731
            -(jnp.sum(a**2, -1)[:, None] + jnp.sum(b**2, -1) - 2 * a @ b.T)
        )
        factor = jax.scipy.linalg.cho_factor(kernel(x, x) + jnp.eye(N), lower=True)
        return kernel(new, x) @ jax.scipy.linalg.cho_solve(factor, y)

    # a b^T of both kernels 2 N N D + 2 M N D, and the product with the weights 2 M N
    return predict, (f32(N, D), f32(N), f32(M, D)), 2 * N * N * D + 2 * M * N * D + 2 * M * N


@program
def complex_product() -> Program:
    def product(x: Any, y: Any) -> Any:
        return (x + 0j) @ (y + 0j)

    return product, (f32(3, 4), f32(4, 5)), 8 * 3 * 4 * 5


@program
def integer_product() -> Program:
    return jnp.matmul, (i32(3, 4), i32(4, 5)), 2 * 3 * 4 * 5


@program
def inner_of_length_one() -> Program:
    return jnp.matmul, (f32(3, 1), f32(1, 5)), 2 * 3 * 5


@program
def two_branches() -> Program:
    n = 6

    def f(on: Any, x: Any) -> Any:
        return lax.cond(on, lambda x: x @ x @ x, lambda x: x @ x, x)

    return f, (jax.ShapeDtypeStruct((), jnp.bool_), f32(n, n)), 2 * 2 * n**3


@program
def einsum_chain() -> Program:
    # opt_einsum may only choose (ab)c or a(bc): 2 x 3 5 7 + 2 x 3 7 2 or 2 x 5 7 2 + 2 x 3 5 2
    def f(a: Any, b: Any, c: Any) -> Any:
        return jnp.einsum("ij,jk,kl->il", a, b, c)

    return f, (f32(3, 5), f32(5, 7), f32(7, 2)), 2 * 5 * 7 * 2 + 2 * 3 * 5 * 2


@program
def power_of_a_matrix() -> Program:
    # 13 = 8 + 4 + 1: three squarings, two products
    return partial(jnp.linalg.matrix_power, n=13), (f32(4, 4),), 5 * 2 * 4**3


@program
def associative_products() -> Program:
    n, d = 8, 3
    # the work-efficient scan of 8: 4 + 2 + 1 products up, 0 + 1 + 3 down
    scan = partial(lax.associative_scan, lambda a, b: a @ b)
    return scan, (f32(n, d, d),), (4 + 2 + 1 + 0 + 1 + 3) * 2 * d**3


@program
def one_dimensional_convolution() -> Program:
    # np.convolve, full: 16 + 3 - 1 = 18 outputs, window 3
    return jnp.convolve, (f32(16), f32(3)), 2 * 18 * 3


@program
def no_products() -> Program:
    def f(table: Any, ids: Any, x: Any) -> Any:
        rows = jax.ops.segment_sum(table[ids], ids, 4)
        spectrum = jnp.fft.ifft(jnp.fft.fft(x) ** 2)
        return rows, spectrum, jnp.cumsum(x), jnp.sort(x)

    return f, (f32(10, 4), i32(6), f32(16)), 0


@program
def empty_product() -> Program:
    return jnp.matmul, (f32(0, 4), f32(4, 5)), 0


@program
def shard_map_over_one_of_two_axes() -> Program:
    auto = jax.sharding.AxisType.Auto
    mesh = jax.make_mesh((2, 2), ("i", "j"), axis_types=(auto, auto))
    P = jax.sharding.PartitionSpec
    mapped = jax.shard_map(
        lambda x, w: x @ w, mesh=mesh, in_specs=(P("i"), P()), out_specs=P("i"), axis_names={"i"}
    )
    # along j the compiler divides: the body's arrays are whole there
    return jax.jit(mapped), (f32(8, 4), f32(4, 6)), 2 * 8 * 4 * 6
