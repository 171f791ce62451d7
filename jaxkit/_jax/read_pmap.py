"""`jax.pmap`, which is a jit of a shard_map under the name ``_fun``.

Read on JAX 0.10.2 and 0.12.0.1 (``jax/_src/pmap.py``).
"""

from __future__ import annotations

from jaxkit._jax.call import Anchor, Call, local


def read(anchor: Anchor) -> Call | None:
    """The call of ``wrapped(*args, **kwargs)``, whose ``__wrapped__`` is the user's function."""
    entry = next((e for e in anchor.outer if e.tag in ("pmap", "cache_miss")), None)
    if entry is None or entry.tag != "pmap" or anchor.name != "_fun":
        return None
    infer = local(entry.frame, "infer_params")
    try:
        cells = dict(zip(infer.__code__.co_freevars, infer.__closure__ or (), strict=True))
    except (AttributeError, ValueError):
        return None

    def cell(name: str):
        try:
            return cells[name].cell_contents
        except (KeyError, ValueError):
            return None

    wrapped = cell("wrapped_fun")
    fun = getattr(wrapped, "f", None) or getattr(wrapped, "f_transformed", None)
    if fun is None:
        return None
    return Call(
        via="pmap",
        fun=fun,
        args=tuple(local(entry.frame, "args", ())),
        kwargs=dict(local(entry.frame, "kwargs", {})),
        static_argnums=tuple(cell("static_broadcasted_tuple") or ()),
        options={"axis_name": str(cell("axis_name"))[:60]},
    )
