"""Functions of libraries in which nothing is wrong: `programs(dtype)`, each (name, fun, args).

Run by itself, `python -m tests.jaxpr.lints.clean GROUP...`, it prints the warnings that there are.

Longer than 400 lines, as it is a table: each case is a few lines, and one place has them all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

N = 48


class Clean(NamedTuple):
    """A function of a library, and shapes to call it with."""

    name: str
    fun: Callable[..., Any]
    args: tuple[Any, ...]


def struct(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def key() -> Any:
    return jax.eval_shape(lambda: jax.random.key(0))


def _each(module: Any, prefix: str, names: str, *args: Any) -> Iterator[Clean]:
    for name in names.split():
        fun = module
        for part in name.split("."):
            fun = getattr(fun, part, None)
        if fun is not None:
            yield Clean(f"{prefix}.{name}", fun, args)


def numpy_like(dtype: Any) -> Iterator[Clean]:
    x, v = struct(N, N, dtype=dtype), struct(512, dtype=dtype)
    yield from _each(
        jnp,
        "jnp",
        """abs exp exp2 expm1 log log1p log2 log10 sqrt cbrt sin cos tan arcsin arccos arctan sinh
        cosh tanh arcsinh arctanh sign floor ceil round square reciprocal sinc i0 degrees radians
        nan_to_num isnan isfinite sum mean std var median max min argmax argmin prod cumsum cumprod
        nansum nanmean nanstd nanvar nanmedian nanmax nancumsum ptp any all count_nonzero sort
        argsort diff ediff1d gradient trace diag diagonal tril triu flip fliplr rot90 ravel
        transpose roll unwrap fft.rfft2 linalg.norm linalg.det linalg.slogdet linalg.inv
        linalg.pinv linalg.eigh linalg.svd linalg.qr linalg.cholesky linalg.cond linalg.matrix_rank
        corrcoef cov zeros_like ones_like atleast_3d angle signbit
        spacing average histogram""",
        x,
    )
    yield from _each(
        jnp,
        "jnp",
        """add subtract multiply divide power float_power fmod mod maximum minimum arctan2 hypot
        logaddexp logaddexp2 copysign nextafter matmul dot vdot inner outer kron greater allclose
        isclose array_equal heaviside true_divide floor_divide divmod linalg.solve
        linalg.lstsq tensordot""",
        x,
        x,
    )
    yield Clean("jnp.convolve", lambda v: jnp.convolve(v, v[:9]), (v,))
    yield Clean("jnp.correlate", lambda v: jnp.correlate(v, v[:9], mode="same"), (v,))
    yield Clean("jnp.interp", lambda v: jnp.interp(v, jnp.sort(v), v), (v,))
    yield Clean("jnp.polyval", lambda v: jnp.polyval(v[:20], v), (v,))
    yield Clean("jnp.where", lambda x: jnp.where(x > 0, x, 0), (x,))
    yield Clean("jnp.clip", lambda x: jnp.clip(x, -1, 1), (x,))
    yield Clean("jnp.pad", lambda x: jnp.pad(x, 2, mode="reflect"), (x,))
    yield Clean("jnp.tile", lambda x: jnp.tile(x, (2, 3)), (x,))
    yield Clean("jnp.repeat", lambda x: jnp.repeat(x, 3, axis=0), (x,))
    yield Clean("jnp.stack", lambda x: jnp.stack([x] * 3), (x,))
    yield Clean("jnp.concatenate", lambda x: jnp.concatenate([x, x], 1), (x,))
    yield Clean("jnp.split", lambda x: jnp.split(x, 16), (x,))
    yield Clean("jnp.einsum", lambda x: jnp.einsum("ij,kj->ki", x, x), (x,))
    yield Clean("jnp.einsum of three", lambda x: jnp.einsum("ij,jk,kl->il", x, x, x), (x,))
    yield Clean("jnp.take", lambda x: jnp.take(x, jnp.arange(5), axis=0), (x,))
    yield Clean("jnp.take_along_axis", lambda x: jnp.take_along_axis(x, jnp.argsort(x), -1), (x,))
    yield Clean("at.add", lambda x: x.at[:3].add(1), (x,))
    yield Clean("at.set", lambda x: x.at[jnp.array([1, 2])].set(0), (x,))
    yield Clean("jnp.percentile", lambda x: jnp.percentile(x, 30), (x,))
    yield Clean(
        "jnp.quantile", lambda x: jnp.quantile(x, jnp.array([0.1, 0.9], x.dtype), axis=0), (x,)
    )
    yield Clean("jnp.bincount", lambda v: jnp.bincount(v.astype(int), v, length=8), (v,))
    yield Clean("jnp.digitize", lambda v: jnp.digitize(v, jnp.arange(4)), (v,))
    yield Clean("jnp.searchsorted", lambda v: jnp.searchsorted(jnp.sort(v), v), (v,))
    yield Clean("jnp.cross", lambda x: jnp.cross(x[:, :3], x[:, 3:6]), (x,))
    yield Clean("jnp.matrix_power", lambda x: jnp.linalg.matrix_power(x, 5), (x,))
    yield Clean("jnp.multi_dot", lambda x: jnp.linalg.multi_dot([x, x, x]), (x,))
    yield Clean("jnp.vander", lambda v: jnp.vander(v[:8], 8), (v,))
    yield Clean("jnp.trapezoid", lambda v: jnp.trapezoid(v), (v,))
    yield Clean("jnp.meshgrid", lambda v: jnp.meshgrid(v, v), (v,))
    yield Clean("jnp.select", lambda x: jnp.select([x > 1, x > 0], [x, -x], 0), (x,))
    yield Clean("jnp.piecewise", lambda v: jnp.piecewise(v, [v < 0, v >= 0], [-1, 1]) * v, (v,))
    yield Clean("jnp.apply_along_axis", lambda x: jnp.apply_along_axis(jnp.sort, 0, x), (x,))
    yield Clean("jnp.vectorize", jnp.vectorize(lambda a, b: a @ b, signature="(n),(n)->()"), (x, x))
    yield Clean("jnp.nonzero", lambda v: jnp.nonzero(v, size=8), (v,))
    yield Clean("jnp.unique", lambda v: jnp.unique(v, size=8), (v,))
    yield Clean("jnp.block", lambda x: jnp.block([[x, x], [x, x]]), (x,))
    yield Clean("jnp.fft", lambda v: jnp.abs(jnp.fft.fft(v)), (v,))


def neural(dtype: Any) -> Iterator[Clean]:
    x = struct(N, N, dtype=dtype)
    yield from _each(
        jax.nn,
        "nn",
        """relu relu6 sigmoid softplus sparse_plus soft_sign silu log_sigmoid leaky_relu
        hard_sigmoid hard_silu hard_tanh elu celu selu gelu glu squareplus mish softmax log_softmax
        logsumexp standardize log1mexp identity""",
        x,
    )
    q = struct(2, 32, 4, 16, dtype=dtype)
    labels = struct(N, dtype=jnp.int32)
    attend = jax.nn.dot_product_attention
    yield Clean("nn.attention", lambda q, k, v: attend(q, k, v, is_causal=True), (q, q, q))
    yield Clean("nn.one_hot", lambda i, x: jax.nn.one_hot(i, N, dtype=x.dtype) * x, (labels, x))
    images, kernel = struct(2, 16, 16, 8, dtype=dtype), struct(3, 3, 8, 8, dtype=dtype)
    dimensions = ("NHWC", "HWIO", "NHWC")
    yield Clean(
        "lax.conv",
        lambda x, k: jax.lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=dimensions
        ),
        (images, kernel),
    )
    yield Clean("lax.scan", lambda x: jax.lax.scan(_cell, x[0], x), (x,))
    yield Clean("lax.map", lambda x: jax.lax.map(jnp.tanh, x), (x,))
    yield Clean(
        "lax.fori_loop", lambda x: jax.lax.fori_loop(0, 5, lambda _, y: jnp.tanh(y @ y), x), (x,)
    )
    yield Clean("lax.associative_scan", lambda x: jax.lax.associative_scan(jnp.add, x), (x,))
    yield Clean("lax.top_k", lambda x: jax.lax.top_k(x, 4), (x,))
    yield Clean("checkpoint", jax.checkpoint(lambda x: jnp.tanh(x @ x) @ x), (x,))
    yield Clean("vmap", jax.vmap(lambda x: jnp.tanh(x) @ x, 1, 0), (x,))
    yield Clean(
        "image.resize", lambda x: jax.image.resize(x, (2, 32, 32, 8), "bilinear"), (images,)
    )
    yield Clean("segment_sum", lambda i, x: jax.ops.segment_sum(x, i, num_segments=N), (labels, x))
    if dtype == jnp.float32:
        yield Clean("hessian", jax.hessian(lambda x: jnp.sum(jnp.tanh(x) ** 3)), (struct(8),))
        yield Clean("jacfwd", jax.jacfwd(jnp.tanh), (struct(8),))
        yield Clean(
            "custom root",
            lambda x: jax.scipy.sparse.linalg.cg(lambda v: x @ (x.T @ v) + v, x[0])[0],
            (x,),
        )


def _cell(h: Any, x: Any) -> Any:
    h = jnp.tanh(h + x)
    return h, h


def special(dtype: Any) -> Iterator[Clean]:
    x, v = struct(N, N, dtype=dtype), struct(256, dtype=dtype)
    scipy = jax.scipy
    yield from _each(
        scipy.special,
        "special",
        """gammaln digamma erf erfc erfinv expit logit logsumexp ndtr ndtri log_ndtr entr i0 i0e i1
        i1e exp1 expi factorial spence softmax log_softmax""",
        x,
    )
    yield from _each(
        scipy.special, "special", "xlogy xlog1py betaln beta kl_div rel_entr zeta", x, x
    )
    yield Clean("special.gammainc", scipy.special.gammainc, (v, v))
    yield Clean("special.betainc", scipy.special.betainc, (v, v, v))
    yield Clean("special.polygamma", lambda v: scipy.special.polygamma(1, v), (v,))
    yield Clean("special.multigammaln", lambda v: scipy.special.multigammaln(v + 3, 3), (v,))
    for name in "norm cauchy expon laplace logistic uniform gumbel_r".split():
        stats = getattr(scipy.stats, name, None)
        for function in ("logpdf", "cdf", "ppf"):
            if hasattr(stats, function):
                yield Clean(f"stats.{name}.{function}", getattr(stats, function), (v,))
    yield Clean("stats.t.logpdf", scipy.stats.t.logpdf, (v, v))
    yield Clean("stats.gamma.logpdf", scipy.stats.gamma.logpdf, (v, v))
    yield Clean("stats.beta.logpdf", scipy.stats.beta.logpdf, (v, v, v))
    yield Clean("stats.poisson.logpmf", lambda v: scipy.stats.poisson.logpmf(3, v), (v,))
    yield Clean(
        "stats.multivariate_normal",
        lambda v, x: scipy.stats.multivariate_normal.logpdf(v[:N], v[:N], x),
        (v, x),
    )
    yield Clean("linalg.expm", scipy.linalg.expm, (x,))
    yield Clean("linalg.cho_solve", lambda x: _cho(x), (x,))
    yield Clean("linalg.solve_triangular", scipy.linalg.solve_triangular, (x, x))
    yield Clean("linalg.lu", scipy.linalg.lu, (x,))
    yield Clean("linalg.sqrtm", lambda x: scipy.linalg.block_diag(x, x), (x,))
    yield Clean("signal.convolve", lambda x: scipy.signal.convolve(x, x[:5, :5], mode="same"), (x,))
    yield Clean("signal.stft", lambda v: jnp.abs(scipy.signal.stft(v, nperseg=64)[2]), (v,))
    yield Clean("ndimage", lambda x: scipy.ndimage.map_coordinates(x, [x * 4, x * 4], 1), (x,))
    yield Clean("gaussian_kde", lambda v: scipy.stats.gaussian_kde(v)(v[:8]), (v,))


def _cho(x: Any) -> Any:
    factor = jax.scipy.linalg.cho_factor(x @ x.T + jnp.eye(N, dtype=x.dtype))
    return jax.scipy.linalg.cho_solve(factor, x)


def random(dtype: Any) -> Iterator[Clean]:
    v = struct(64, dtype=dtype)
    draw = jax.random
    for name in (
        "normal uniform bernoulli exponential gumbel laplace logistic cauchy truncated_normal "
        "rademacher bits rayleigh maxwell double_sided_maxwell ball orthogonal"
    ).split():
        fun = getattr(draw, name)
        args = {"truncated_normal": (-1.0, 1.0), "orthogonal": (8,)}.get(name, ())
        if name == "double_sided_maxwell":
            args = (0.0, 1.0)
        shape = {} if name == "orthogonal" else {"shape": (N,)}
        if name == "ball":
            args, shape = (3,), {}
        if name in ("normal", "uniform", "gumbel", "exponential"):
            shape["dtype"] = dtype
        yield Clean(f"random.{name}", _draw(fun, args, shape), (key(),))
    for name in "gamma poisson t pareto weibull_min chisquare dirichlet categorical".split():
        fun = getattr(draw, name)
        if name == "weibull_min":
            yield Clean("random.weibull_min", lambda k, v, f=fun: f(k, v, v), (key(), v))
        else:
            yield Clean(f"random.{name}", lambda k, v, f=fun: f(k, v), (key(), v))
    yield Clean("random.beta", draw.beta, (key(), v, v))
    yield Clean("random.binomial", lambda k, v: draw.binomial(k, 10, v), (key(), v))
    yield Clean("random.permutation", draw.permutation, (key(), v))
    yield Clean("random.choice", lambda k, v: draw.choice(k, v, (5,), replace=False), (key(), v))
    yield Clean("random.choice p", lambda k, v: draw.choice(k, v, (5,), p=v), (key(), v))
    yield Clean("random.randint", lambda k: draw.randint(k, (N,), 0, 7), (key(),))
    yield Clean(
        "random.fold_in", lambda k: [draw.normal(draw.fold_in(k, i)) for i in range(3)], (key(),)
    )
    yield Clean(
        "random.multivariate_normal",
        lambda k, v: draw.multivariate_normal(k, v, jnp.eye(64, dtype=v.dtype)),
        (key(), v),
    )
    yield Clean("random.split", lambda k: jax.vmap(draw.normal)(draw.split(k, 5)), (key(),))


def _draw(fun: Any, args: Any, options: Any) -> Any:
    return lambda k: fun(k, *args, **options)


def optimizers(dtype: Any) -> Iterator[Clean]:
    import optax

    params = {"w": struct(N, N, dtype=dtype), "b": struct(N, dtype=dtype)}
    options: dict[str, Any] = {"noisy_sgd": {"key": 0}}
    names = """adam adamw sgd rmsprop adagrad adadelta lamb lars lion nadam radam yogi fromage
    adafactor adabelief adamax sm3 novograd amsgrad noisy_sgd rprop adan optimistic_gradient_descent
    sign_sgd adamaxw"""
    for name in names.split():
        make = getattr(optax, name)
        given = options.get(name, {})
        rate = (
            {}
            if "learning_rate" not in inspect.signature(make).parameters
            else {"learning_rate": 1e-3}
        )
        yield from _optimizer(f"optax.{name}", make(**rate, **given), params)
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-3, 10, 100)
    chained = optax.chain(
        optax.clip_by_global_norm(1.0), optax.scale_by_adam(), optax.scale_by_schedule(schedule)
    )
    yield from _optimizer("optax.chain", chained, params)
    yield from _optimizer("optax.MultiSteps", optax.MultiSteps(optax.adam(1e-3), 4), params)
    yield from _optimizer("optax.momentum", optax.sgd(0.1, momentum=0.9, nesterov=True), params)
    yield from _optimizer("optax.muon", optax.contrib.muon(1e-3), params)
    yield from _optimizer("optax.apply_if_finite", optax.apply_if_finite(optax.sgd(0.1), 3), params)
    x, labels = struct(N, N, dtype=dtype), struct(N, dtype=jnp.int32)
    yield from _each(
        optax.losses,
        "optax",
        """l2_loss huber_loss log_cosh cosine_similarity cosine_distance squared_error
        softmax_cross_entropy sigmoid_binary_cross_entropy hinge_loss safe_softmax_cross_entropy
        kl_divergence kl_divergence_with_log_targets sigmoid_focal_loss poly_loss_cross_entropy
        ranking_softmax_loss""",
        x,
        x,
    )
    yield Clean(
        "optax.cross_entropy_integer",
        optax.losses.softmax_cross_entropy_with_integer_labels,
        (x, labels),
    )
    yield Clean("optax.smooth_labels", lambda x: optax.losses.smooth_labels(x, 0.1), (x,))
    yield Clean("optax.global_norm", lambda t: optax.tree.norm(t), (params,))
    if dtype != jnp.float32 or jax.config.jax_enable_x64:  # it does mix dtypes
        return
    images = struct(2, 8, 6, dtype=dtype)
    pads = struct(2, 8, dtype=dtype)
    text, text_pads = struct(2, 4, dtype=jnp.int32), struct(2, 4, dtype=dtype)
    yield Clean("optax.ctc_loss", optax.losses.ctc_loss, (images, pads, text, text_pads))


def _optimizer(name: str, optimizer: Any, params: Any) -> Iterator[Clean]:
    import optax

    try:
        state = jax.eval_shape(optimizer.init, params)
    except TypeError:  # it needs arrays
        return

    def update(grads: Any, state: Any, params: Any) -> Any:
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    yield Clean(name, update, (params, state, params))
    yield Clean(f"{name} init", optimizer.init, (params,))


def flax_modules(dtype: Any) -> Iterator[Clean]:
    from flax import linen as nn

    x, images, words = (
        struct(4, 16, N, dtype=dtype),
        struct(2, 16, 16, 8, dtype=dtype),
        struct(4, 16, dtype=jnp.int32),
    )
    half = {"dtype": dtype, "param_dtype": jnp.float32}
    modules: dict[str, tuple[Any, Any]] = {
        "Dense": (nn.Dense(N, **half), x),
        "DenseGeneral": (nn.DenseGeneral((4, 8), **half), x),
        "Conv": (nn.Conv(8, (3, 3), **half), images),
        "ConvTranspose": (nn.ConvTranspose(8, (3, 3), strides=(2, 2), **half), images),
        "LayerNorm": (nn.LayerNorm(**half), x),
        "RMSNorm": (nn.RMSNorm(**half), x),
        "GroupNorm": (nn.GroupNorm(4, **half), images),
        "WeightNorm": (nn.WeightNorm(nn.Dense(N, **half)), x),
        "BatchNorm": (nn.BatchNorm(use_running_average=True, **half), x),
        "Embed": (nn.Embed(100, N, **half), words),
        "attention": (nn.MultiHeadDotProductAttention(4, **half), x),
        "self attention": (nn.SelfAttention(4, **half), x),
        "LSTM": (nn.RNN(nn.LSTMCell(N, **half)), x),
        "OptimizedLSTM": (nn.RNN(nn.OptimizedLSTMCell(N, **half)), x),
        "GRU": (nn.RNN(nn.GRUCell(N, **half)), x),
        "SimpleCell": (nn.RNN(nn.SimpleCell(N, **half)), x),
        "Bidirectional": (nn.Bidirectional(nn.RNN(nn.GRUCell(N)), nn.RNN(nn.GRUCell(N))), x),
        "Sequential": (nn.Sequential([nn.Dense(N, **half), nn.gelu, nn.Dense(8, **half)]), x),
        "Dropout": (nn.Dropout(0.5, deterministic=True), x),
        "remat": (nn.remat(nn.Dense)(N, **half), x),
        "scan": (_scanned(nn, half), x),
    }
    for name, (module, given) in modules.items():
        try:
            params = jax.eval_shape(module.init, key(), given)
        except TypeError:  # a carry in another dtype
            continue
        yield Clean(f"linen.{name}", module.apply, (params, given))
        yield Clean(f"linen.{name} init", module.init, (key(), given))
    yield Clean("linen.avg_pool", lambda x: nn.avg_pool(x, (2, 2)), (images,))
    yield Clean("linen.max_pool", lambda x: nn.max_pool(x, (2, 2), (2, 2)), (images,))
    dropout = nn.Dropout(0.5, deterministic=False)
    yield Clean(
        "linen.Dropout with rng", lambda x, k: dropout.apply({}, x, rngs={"dropout": k}), (x, key())
    )
    from flax import nnx

    for name, make, given in (
        ("Linear", lambda r: nnx.Linear(N, N, rngs=r, dtype=dtype), x),
        ("LayerNorm", lambda r: nnx.LayerNorm(N, rngs=r, dtype=dtype), x),
        ("Conv", lambda r: nnx.Conv(8, 8, (3, 3), rngs=r, dtype=dtype), images),
        ("MultiHeadAttention", lambda r: _attention(nnx, r, dtype), x),
    ):
        graph, state = nnx.split(make(nnx.Rngs(0)))
        yield Clean(f"nnx.{name}", _merged(nnx, graph), (state, given))


def _scanned(nn: Any, half: Any) -> Any:
    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x: Any, _: Any) -> Any:
            return nn.tanh(nn.Dense(N, **half)(nn.LayerNorm(**half)(x))) + x, None

    class Layers(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            scan = nn.scan(
                Layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=3
            )
            return scan()(x, None)[0]

    return Layers()


def _attention(nnx: Any, rngs: Any, dtype: Any) -> Any:
    return nnx.MultiHeadAttention(
        num_heads=4, in_features=N, qkv_features=N, decode=False, rngs=rngs, dtype=dtype
    )


def _merged(nnx: Any, graph: Any) -> Any:
    return lambda state, x: nnx.merge(graph, state)(x)


def equinox_modules(dtype: Any) -> Iterator[Clean]:
    import equinox as eqx

    x, v = struct(16, N, dtype=dtype), struct(N, dtype=dtype)
    images = struct(8, 16, 16, dtype=dtype)
    cells: list[tuple[str, Any, tuple[Any, ...]]] = [
        ("Linear", lambda k: eqx.nn.Linear(N, N, key=k), (v,)),
        ("MLP", lambda k: eqx.nn.MLP(N, 8, 64, 3, key=k), (v,)),
        ("Conv2d", lambda k: eqx.nn.Conv2d(8, 8, 3, key=k), (images,)),
        ("ConvTranspose2d", lambda k: eqx.nn.ConvTranspose2d(8, 8, 3, key=k), (images,)),
        ("LayerNorm", lambda k: eqx.nn.LayerNorm(N), (v,)),
        ("RMSNorm", lambda k: eqx.nn.RMSNorm(N), (v,)),
        ("GroupNorm", lambda k: eqx.nn.GroupNorm(4, 8), (images,)),
        ("Embedding", lambda k: eqx.nn.Embedding(100, N, key=k), (struct(dtype=jnp.int32),)),
        ("MultiheadAttention", lambda k: eqx.nn.MultiheadAttention(4, N, key=k), (x, x, x)),
        ("GRUCell", lambda k: eqx.nn.GRUCell(N, N, key=k), (v, v)),
        ("LSTMCell", lambda k: eqx.nn.LSTMCell(N, N, key=k), (v, (v, v))),
        ("AvgPool2d", lambda k: eqx.nn.AvgPool2d(2, 2), (images,)),
        ("MaxPool2d", lambda k: eqx.nn.MaxPool2d(2, 2), (images,)),
        ("AdaptiveAvgPool2d", lambda k: eqx.nn.AdaptiveAvgPool2d(4), (images,)),
        ("PReLU", lambda k: eqx.nn.PReLU(0.25), (v,)),
        ("Rotary", lambda k: eqx.nn.RotaryPositionalEmbedding(N, dtype=dtype), (x,)),
        ("WeightNorm", lambda k: eqx.nn.WeightNorm(eqx.nn.Linear(N, N, key=k)), (v,)),
    ]
    for name, make, given in cells:
        model = eqx.filter_eval_shape(make, key())
        arrays, static = eqx.partition(model, lambda leaf: hasattr(leaf, "dtype"))
        arrays = jax.tree.map(
            lambda leaf: (
                struct(*leaf.shape, dtype=dtype)
                if jnp.issubdtype(leaf.dtype, jnp.floating)
                else leaf
            ),
            arrays,
        )
        yield Clean(f"eqx.{name}", _combined(eqx, static), (arrays, *given))
        yield Clean(f"eqx.{name} init", _initial(eqx, make), (key(),))

    def rnn(arrays: Any, xs: Any) -> Any:
        cell = eqx.combine(arrays, static)
        return jax.lax.scan(lambda h, x: (cell(x, h), None), jnp.zeros(N, xs.dtype), xs)[0]

    model = eqx.filter_eval_shape(lambda k: eqx.nn.GRUCell(N, N, key=k), key())
    arrays, static = eqx.partition(model, lambda leaf: hasattr(leaf, "dtype"))
    if dtype == jnp.float32:
        yield Clean("eqx.GRU over time", rnn, (arrays, x))


def _combined(eqx: Any, static: Any) -> Any:
    return lambda arrays, *given: eqx.combine(arrays, static)(*given)


def _initial(eqx: Any, make: Any) -> Any:
    return lambda k: eqx.filter(make(k), eqx.is_array)


GROUPS: dict[str, Callable[[Any], Iterator[Clean]]] = {
    "jnp": numpy_like,
    "nn": neural,
    "scipy": special,
    "random": random,
    "optax": optimizers,
    "flax": flax_modules,
    "equinox": equinox_modules,
}


def around(clean: Clean) -> Iterator[Clean]:
    """What a user does to its operands and results: transposes them, takes parts, maps it."""
    fun, args = clean.fun, clean.args
    if clean.name == "jnp.transpose":
        return  # that of its result is the other one of a pair

    def transposed(x: Any) -> Any:
        return x.T if getattr(x, "ndim", 0) == 2 else x

    def result_transposed(*args: Any) -> Any:
        return jax.tree.map(transposed, fun(*args))

    def operands_transposed(*args: Any) -> Any:
        return fun(*jax.tree.map(transposed, args))

    def parts(*args: Any) -> Any:
        return jax.tree.map(lambda y: y[..., :2] if getattr(y, "ndim", 0) else y, fun(*args))

    def mapped(*args: Any) -> Any:
        return jax.tree.map(lambda y: y.swapaxes(0, 1), jax.vmap(fun, 1, 1)(*args))

    if any(getattr(arg, "ndim", 0) == 2 for arg in args):
        for change in (result_transposed, operands_transposed, parts, mapped):
            yield Clean(f"{clean.name}, {change.__name__}", change, args)


def gradient(clean: Clean) -> Clean | None:
    """Its derivative by the first argument that has one; None where there is none."""
    argnums = tuple(i for i, arg in enumerate(clean.args) if _is_float(arg))
    if not argnums:
        return None

    def total(*args: Any) -> Any:
        leaves = jax.tree.leaves(clean.fun(*args))
        return sum(jnp.sum(jnp.abs(x)).astype(jnp.float32) for x in leaves if _is_float(x))

    return Clean(f"grad {clean.name}", jax.grad(total, argnums[0]), clean.args)


def _is_float(tree: Any) -> bool:
    leaves = jax.tree.leaves(tree)
    return bool(leaves) and all(
        hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves
    )


def warnings_of(clean: Clean) -> list[str] | None:
    """The findings that are no mere information; None for what cannot be traced."""
    from jaxkit._jax.jaxprs import trace
    from jaxkit.jaxpr.lints import findings_of

    try:
        program = trace(clean.fun, clean.args, {})
    except (TypeError, ValueError, NotImplementedError, AttributeError, IndexError):
        # Not for this dtype, or not differentiable backwards: libraries say so in all these ways. A
        # test beside this counts how many were traced.
        return None
    return [
        f"{each.kind} {each.where}: {each.message}"
        for each in findings_of(program)
        if each.severity != "info"
    ]


def main_around(groups: list[str], dtype: str = "float32") -> tuple[int, list[str]]:
    """Looks at what a user does with functions: `around`.

    Returns:
      how many functions were looked at, and all warnings.
    """
    looked, warned = 0, list[str]()
    for group in groups:
        for clean in GROUPS[group](np.dtype(getattr(jnp, dtype))):
            for changed in around(clean):
                found = warnings_of(changed)
                looked += found is not None
                warned += [f"{changed.name}: {each}" for each in found or ()]
    return looked, warned


def main(groups: list[str], dtype: str = "float32") -> tuple[int, int, list[str]]:
    """Looks at functions and their gradients.

    Returns:
      how many functions and how many gradients were looked at, and all warnings.
    """
    plain = derived = 0
    warned: list[str] = []
    for group in groups:
        for clean in GROUPS[group](np.dtype(getattr(jnp, dtype))):
            found = warnings_of(clean)
            if found is None:
                continue
            plain += 1
            warned += [f"{clean.name}: {each}" for each in found]
            of_gradient = gradient(clean)
            found = warnings_of(of_gradient) if of_gradient else None
            if of_gradient and found is not None:
                derived += 1
                warned += [f"{of_gradient.name}: {each}" for each in found]
    return plain, derived, warned


if __name__ == "__main__":
    import sys

    print(main(sys.argv[2:] or list(GROUPS), sys.argv[1]))
