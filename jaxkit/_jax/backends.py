"""What JAX finds of this machine, told by a process of its own.

Finding devices can hang (a TPU held by another process), abort the process (an unknown flag in
XLA_FLAGS) or fail for one platform of several. So `jaxkit doctor` runs this file as a program,
which writes down each step before it takes it:

    python -m jaxkit._jax.backends FILE

Private here: which platforms there are and why one of them failed, in `jax._src.xla_bridge` (read
on JAX 0.10.2 and 0.12.0.1). Where those names are gone, the public list of devices remains.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["describe"]

_OPTIONS = (
    "jax_platforms",
    "jax_enable_x64",
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_compilation_cache_max_size",
    "jax_num_cpu_devices",
    "jax_default_matmul_precision",
    "jax_disable_jit",
    "jax_debug_nans",
    "jax_debug_infs",
    "jax_check_tracer_leaks",
    "jax_log_compiles",
    "jax_explain_cache_misses",
    "jax_traceback_filtering",
)


def describe(save: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Goes through the steps at each of which JAX may fail.

    Args:
        save: Called before each step with what is known so far; `step` names what comes next.

    Returns:
        All that was found: `jax`, `jaxlib`, `file`, `options`, `platforms`, `backends`,
        `backend_errors`, `default`, and `error` if a step failed, which `step` then names.
    """
    found: dict[str, Any] = {"seconds": {}}
    for name, step in (("import", _import), ("devices", _devices), ("compute", _compute)):
        found["step"] = name
        save(found)
        begin = time.perf_counter()
        try:
            found.update(step())
        except Exception as error:
            found["error"] = f"{type(error).__name__}: {error}"
            found.update(_platforms() if name != "import" else {})
            break
        finally:
            found["seconds"][name] = round(time.perf_counter() - begin, 3)
    else:
        found["step"] = "done"
    save(found)
    return found


def _import() -> dict[str, Any]:
    import jax
    import jaxlib.version

    options = {name: getattr(jax.config, name, None) for name in _OPTIONS}
    return {
        "jax": jax.__version__,
        "jaxlib": jaxlib.version.__version__,
        "file": jax.__file__,
        "options": {
            name: value if isinstance(value, str | int | float | bool | None) else str(value)
            for name, value in options.items()
        },
    }


def _devices() -> dict[str, Any]:
    import jax

    default = jax.default_backend()
    names = _platforms()
    backends = {}
    for platform in names["initialised"] or [default]:
        devices = jax.devices(platform)
        backends[platform] = {
            "devices": len(devices),
            "kinds": sorted({device.device_kind for device in devices}),
            "processes": jax.process_count(),
        }
    return {"default": default, "backends": backends, **names}


def _platforms() -> dict[str, Any]:
    """What there is in the registry, without starting anything that has not started."""
    try:
        from jax._src import xla_bridge

        return {
            "platforms": sorted(xla_bridge._backend_factories),
            "backend_errors": dict(xla_bridge._backend_errors),
            "initialised": list(xla_bridge._backends),
        }
    except Exception:  # moved in another JAX
        return {"platforms": [], "backend_errors": {}, "initialised": []}


def _compute() -> dict[str, Any]:
    """Finding a device does not mean that a program for it can be compiled and run."""
    import jax
    import jax.numpy as jnp

    total = jax.jit(lambda x: (x @ x).sum())(jnp.ones((8, 8)))
    if float(total) != 512.0:
        raise RuntimeError(f"a product of two matrices of ones summed to {total}, not to 512")
    return {}


def _save_to(path: str) -> Callable[[dict[str, Any]], None]:
    def save(found: dict[str, Any]) -> None:
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump(found, file)
        os.replace(f"{path}.new", path)

    return save


if __name__ == "__main__":
    describe(_save_to(sys.argv[1]))
