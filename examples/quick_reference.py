"""Linear regression from PRNG keys to several devices, each step looked at by a tool of jaxkit.

    python examples/quick_reference.py
    JAX_NUM_CPU_DEVICES=4 python examples/quick_reference.py  # the last step on four devices

First with plain functions, then with Equinox. docs/quick_reference.md goes through it part by part.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Key

import jaxkit
from jaxkit.testing import check_function

ROWS, TEST_ROWS, BATCH = 1000, 250, 128  # 1000 rows are 7 batches of 128 and one of 104
EPOCHS, RATE, NOISE = 30, 0.1, 0.1
SCALES = np.array([1.0, 2.0, 0.5, 1.0], np.float32)  # the features do not vary alike
TRUE = {"weights": np.array([1.5, -2.0, 3.0, 0.0], np.float32), "bias": np.float32(0.5)}

Params = dict[str, Any]


# Data from PRNG keys: each key is used once.


@functools.partial(jax.jit, static_argnames="rows")
def make_data(key: Key[Array, ""], rows: int) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
    """Features, and targets that are linear in them but for the noise."""
    x_key, noise_key = jax.random.split(key)
    x = jax.random.normal(x_key, (rows, len(SCALES))) * SCALES
    noise = NOISE * jax.random.normal(noise_key, (rows,))
    return x, x @ TRUE["weights"] + TRUE["bias"] + noise


def batches(key: Key[Array, ""], x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    """Shuffled batches of NumPy arrays; the last one is smaller."""
    order = np.asarray(jax.random.permutation(key, len(x)))
    for start in range(0, len(x), BATCH):
        rows = order[start : start + BATCH]
        yield x[rows], y[rows]


# The model: plain functions of one example; the batch comes from vmap.


def predict(params: Params, row: Float[Array, " d"]) -> Float[Array, ""]:
    """The target of one example."""
    return jnp.dot(params["weights"], row) + params["bias"]


def loss(params: Params, x: Any, y: Any, mask: Any = None) -> Float[Array, ""]:
    """The mean squared error of those rows that are no padding."""
    predicted = jax.vmap(predict, in_axes=(None, 0))(params, x)
    return jnp.mean(jnp.square(predicted - y), where=mask)


@jax.jit
def train_step(params: Params, x: Any, y: Any, mask: Any = None) -> tuple[Params, Any]:
    """One step of gradient descent."""
    value, gradients = jax.value_and_grad(loss)(params, x, y, mask)
    return jax.tree.map(lambda p, g: p - RATE * g, params, gradients), value


def train(step: Callable[..., Any], params: Params, key: Any, x: Any, y: Any) -> Params:
    """Goes through the data, in another order each time."""
    for epoch in range(EPOCHS):
        for x_batch, y_batch in batches(jax.random.fold_in(key, epoch), x, y):
            params, _ = step(params, x=x_batch, y=y_batch)
    return params


def before_it_runs(key: Any, params: Params, x: Any, y: Any) -> None:
    """What is wrong with a program, and what it costs, before it runs; whether it is right."""
    heading("Before it runs: lint, inspect, check_function, compare_x64")
    print("make_data is sound:", jaxkit.lint(make_data)(key, ROWS).ok)
    program = jaxkit.inspect(jax.value_and_grad(loss))(params, x, y)
    print(f"loss and gradient: {program.matmul_flops} FLOPs in products, {program.flops} in all")
    assert program.matmul_flops == 2 * (2 * ROWS * len(SCALES))  # there and back
    print(check_function(predict, ((params, x[0]), {}), max_examples=3))
    gradient = jaxkit.compare_x64(jax.grad(loss))(params, x, y)
    print(f"correct digits of the gradient: {fewest_digits(gradient):.1f}")


def training(params: Params, key: Any, x: Any, y: Any) -> Params:
    """The loop under a watch: as it is first written, and with a bucket."""
    heading("The loop: watch, bucket, max_compiles")
    with jaxkit.watch() as log:
        train(train_step, params, key, x, y)
    print(log.report())
    step = jaxkit.bucket(train_step, in_axes={"x": 0, "y": 0}, sizes=(BATCH,))
    step = jaxkit.max_compiles(step, n=1)  # from here on an error, not a line in a report
    with jaxkit.watch() as log:
        params = train(step, params, key, x, y)
    print(f"\nwith the bucket: {compiled(log, 'train_step')} compilation of train_step")
    return params


def judging(params: Params, x: Any, y: Any) -> None:
    """The error on data that training has not seen, and the weights beside the true ones."""
    heading("What was learned: vmap")
    predicted = jax.vmap(predict, in_axes=(None, 0))(params, x)
    error = jnp.mean(jnp.square(predicted - y))
    print(
        f"test MSE {error:.4f} (the noise alone: {NOISE**2:.4f}), R^2 {r_squared(y, predicted):.4f}"
    )
    print("learned weights", rounded(params["weights"]), f"bias {params['bias']:.2f}")
    print("true weights   ", rounded(TRUE["weights"]), f"bias {TRUE['bias']:.2f}")


def r_squared(y: Any, predicted: Any) -> Float[Array, ""]:
    """The share of the variance that is explained."""
    return 1 - jnp.sum(jnp.square(y - predicted)) / jnp.sum(jnp.square(y - jnp.mean(y)))


def curvature(params: Params, x: Any, y: Any) -> None:
    """The second derivatives, which say how fast gradient descent may go."""
    heading("The hessian: inspect, compare_x64")
    flat, unflatten = ravel_pytree(params)

    def flat_loss(flat: Any) -> Any:
        return loss(unflatten(flat), x, y)

    hessian = jax.hessian(flat_loss)
    eigenvalues = jnp.linalg.eigvalsh(hessian(flat))
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    print(f"eigenvalues {low:.2f} to {high:.2f}, condition number {high / low:.1f}")
    print(f"gradient descent is stable below a rate of {2 / high:.3f}; taken: {RATE}")
    columns = np.concatenate([np.ones((len(x), 1), np.float32), x], axis=1)  # the bias comes first
    difference = jnp.abs(hessian(flat) - 2 * columns.T @ columns / len(x)).max()
    print(f"equal to 2 X'X / n: {bool(difference < 1e-4)}")
    cost = jaxkit.inspect(hessian)(flat).flops / jaxkit.inspect(jax.grad(flat_loss))(flat).flops
    print(f"it costs {cost:.1f} gradients, for {len(flat)} parameters")
    print(f"correct digits: {fewest_digits(jaxkit.compare_x64(hessian)(flat)):.1f}")


# Clipping: a link between the gradient and jit.

clipped_gradient = jaxkit.chain(
    jax.grad,
    jaxkit.clip_gradients(max_norm=1.0, with_norm=True),
    jax.jit,
)(loss)


def clipping(params: Params, x: Any, y: Any) -> None:
    """One wrong target moves the weights as far as it likes, or as far as the limit allows."""
    heading("A wrong target: clip_gradients")
    wrong = y[:BATCH].copy()
    wrong[0] = 1e6
    gradient, norm = clipped_gradient(params, x[:BATCH], wrong)
    far = RATE * jnp.linalg.norm(ravel_pytree(gradient)[0])
    print(f"gradient's norm {norm:.3g}: a step of {RATE * norm:.3g}, clipped {far:.3g}")


def several_devices(params: Params, x: Any, y: Any) -> None:
    """The same step with the rows of the batch spread over all devices."""
    devices = jax.devices()
    heading(f"On {len(devices)} devices: sharding, explain")
    if len(devices) == 1:
        print("JAX_NUM_CPU_DEVICES=4 python examples/quick_reference.py simulates four")
        return
    mesh = Mesh(np.array(devices), ("rows",))
    whole = len(x) // len(devices) * len(devices)
    x, y = jnp.asarray(x[:whole]), jnp.asarray(y[:whole])
    with jaxkit.watch():
        alone, _ = train_step(params, x, y)
        spread = jax.device_put((x, y), NamedSharding(mesh, PartitionSpec("rows")))
        params = jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
        print(jaxkit.explain(train_step)(params, *spread))  # before it happens
        together, _ = train_step(params, *spread)
    pairs = zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True)
    most = max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)
    print(f"a device has {spread[0].addressable_shards[0].data.shape[0]} of {whole} rows")
    print(f"equal to one device, to rounding: {most < 1e-5}")


# NumPy and PyTorch: the gradient written by hand, and by autograd.


def numpy_gradient(params: Params, x: Any, y: Any) -> Params:
    """What jax.grad(loss) gives."""
    params, x, y = jax.tree.map(np.asarray, (params, x, y))  # on a CPU the same memory
    error = x @ params["weights"] + params["bias"] - y
    return {"weights": 2 * (x.T @ error) / len(y), "bias": 2 * error.mean()}


def torch_gradient(params: Params, x: Any, y: Any) -> Params:
    """The same by autograd; the features are shared, not copied."""
    import torch  # pyright: ignore[reportMissingImports]

    params, x, y = jax.tree.map(torch.from_dlpack, (params, x, y))
    weights, bias = (params[name].clone().requires_grad_() for name in ("weights", "bias"))
    torch.mean((x @ weights + bias - y) ** 2).backward()
    return {"weights": weights.grad, "bias": bias.grad}


def speed(key: Any) -> None:
    """Which is faster; the interval says how sure that is."""
    heading("Which is faster: compare")
    functions: dict[str, Any] = {"numpy": numpy_gradient, "jax": jax.jit(jax.grad(loss))}
    if has_torch():
        functions["torch"] = torch_gradient
    x = jax.random.normal(key, (20_000, 64))
    params, y = {"weights": jnp.zeros(64), "bias": jnp.zeros(())}, x.sum(axis=1)
    right = numpy_gradient(params, x, y)["weights"]
    for name, function in functions.items():  # of functions that do the same
        given = function(params, x, y)["weights"]
        np.testing.assert_allclose(given, right, atol=1e-4, err_msg=name)
    print(jaxkit.compare(functions, max_seconds=3.0)(params, x, y))


def has_torch() -> bool:
    """Whether PyTorch is installed; jaxkit does not need it."""
    from importlib.util import find_spec

    return find_spec("torch") is not None


# The same with Equinox: the model is a pytree and a function at once.


class Linear(eqx.Module):
    """A linear model of one example."""

    weights: Float[Array, " d"]
    bias: Float[Array, ""]

    def __init__(self, features: int, *, key: Key[Array, ""]):
        """Small random weights."""
        self.weights = jax.random.normal(key, (features,)) / features**0.5
        self.bias = jnp.zeros(())

    def __call__(self, row: Float[Array, " d"]) -> Float[Array, ""]:
        """The target of one example."""
        return jnp.dot(self.weights, row) + self.bias


def model_loss(model: Linear, x: Any, y: Any, mask: Any = None) -> Float[Array, ""]:
    """As `loss`."""
    return jnp.mean(jnp.square(jax.vmap(model)(x) - y), where=mask)


clipped_model_gradient = jaxkit.chain(
    eqx.filter_value_and_grad,
    jaxkit.clip_gradients(max_norm=10.0, has_value=True),
)(model_loss)


@functools.partial(jaxkit.bucket, in_axes={"x": 0, "y": 0}, sizes=(BATCH,))
@eqx.filter_jit
def model_step(model: Linear, x: Any, y: Any, mask: Any = None) -> tuple[Linear, Any]:
    """One step of gradient descent, with the gradient clipped."""
    value, gradient = clipped_model_gradient(model, x, y, mask)
    return eqx.apply_updates(model, jax.tree.map(lambda g: -RATE * g, gradient)), value


def with_equinox(key: Any, x: Any, y: Any, x_test: Any, y_test: Any) -> None:
    """The same training; a clock says where its time goes."""
    heading("The same with Equinox: timer.steps")
    model_key, order_key = jax.random.split(key)
    model = Linear(len(SCALES), key=model_key)
    epochs = jax.random.split(order_key, EPOCHS)
    clock = jaxkit.timer.steps((b for each in epochs for b in batches(each, x, y)), every=20)
    for x_batch, y_batch in clock:
        model, value = model_step(model, x=x_batch, y=y_batch)
        clock.step(value)
    print(clock.report())
    predicted = jax.vmap(model)(x_test)
    print(f"\ntest MSE {jnp.mean(jnp.square(predicted - y_test)):.4f}, ", end="")
    print(f"R^2 {r_squared(y_test, predicted):.4f}")
    print("learned weights", rounded(model.weights), f"bias {model.bias:.2f}")


# Three mistakes, each with the tool that finds it.


@functools.partial(jax.jit, static_argnames="rows")
def careless_data(key: Any, rows: int) -> tuple[Any, Any]:
    """Features and noise from one key, so that they are not independent."""
    x = jax.random.normal(key, (rows, len(SCALES))) * SCALES
    return x, x @ TRUE["weights"] + NOISE * jax.random.normal(key, (rows,))


def careless_r_squared(y: Any, predicted: Any) -> Any:
    """The variance by the formula for which one pass would do."""
    variance = jnp.mean(y * y) - jnp.mean(y) ** 2
    return 1 - jnp.mean(jnp.square(y - predicted)) / variance


def careless_loss(params: Params, x: Any, y: Any) -> Any:
    """The root of the mean squared error, which has no derivative where all is right."""
    return jnp.sqrt(loss(params, x, y))


def mistakes(key: Any, params: Params, x: Any) -> None:
    """What the tools say of what is wrong."""
    heading("Three mistakes: lint, shadow, nan_origin")
    print(jaxkit.lint(careless_data)(key, ROWS))
    y = 1000 + jax.vmap(predict, in_axes=(None, 0))(params, x)
    print(jaxkit.shadow(careless_r_squared)(y, y + 2))
    print("r_squared is sound:", jaxkit.shadow(r_squared)(y, y + 2).ok)
    nothing = jax.tree.map(jnp.zeros_like, params)
    print(jaxkit.nan_origin(jax.grad(careless_loss))(nothing, x, jnp.zeros(len(x))))


def heading(title: str) -> None:
    """Prints one."""
    print(f"\n# {title}\n")


def rounded(values: Any) -> str:
    """Numbers with two digits behind the point."""
    return " ".join(f"{value:5.2f}" for value in values)


def compiled(log: Any, name: str) -> int:
    """How often a function was compiled."""
    return sum(event.compiled and event.function.name == name for event in log.events)


def fewest_digits(report: Any) -> float:
    """The correct decimal digits of the worst output."""
    return min(leaf["digits"] for leaf in report.data["leaves"])


def main() -> None:
    """All parts, one after the other."""
    train_key, test_key, order_key, model_key, speed_key = jax.random.split(jax.random.key(0), 5)
    # NumPy arrays: batches are cut from them without compiling anything.
    x, y = jax.tree.map(np.array, make_data(train_key, ROWS))
    x_test, y_test = jax.tree.map(np.array, make_data(test_key, TEST_ROWS))
    start = {"weights": jnp.zeros(len(SCALES)), "bias": jnp.zeros(())}
    before_it_runs(train_key, start, x, y)
    params = training(start, order_key, x, y)
    judging(params, x_test, y_test)
    curvature(params, x, y)
    clipping(params, x, y)
    with_equinox(model_key, x, y, x_test, y_test)
    several_devices(params, x, y)
    speed(speed_key)
    mistakes(train_key, params, x_test)


if __name__ == "__main__":
    main()
