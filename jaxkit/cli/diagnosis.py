"""What `jaxkit doctor` makes of the facts: a finding for each thing that is off, with its fix."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterator, Mapping
from typing import Any

from jaxkit.report import Finding

__all__ = ["diagnose"]

Facts = Mapping[str, Any]

# Platforms as JAX_PLATFORMS knows them, and under which names their backends appear.
_GPU = ("cuda", "gpu", "rocm")
_KNOWN = ("cpu", "cuda", "rocm", "gpu", "tpu", "METAL")

# What costs speed for as long as it is on.
_SLOW = {
    "jax_disable_jit": "every operation is run by itself, from Python",
    "jax_debug_nans": "every result is fetched and looked at",
    "jax_debug_infs": "every result is fetched and looked at",
    "jax_check_tracer_leaks": "traces are checked and are not cached",
    "jax_explain_cache_misses": "each trace is compared with all that came before",
}
_BIG_CACHE = 20 * 2**30


def diagnose(facts: Facts) -> list[Finding]:
    """Finds what is off.

    Args:
        facts: As `machine.collect` gives them.

    Returns:
        The findings, the worst first.
    """
    found = [
        finding
        for look in (_packages, _shadows, _probe, _flags, _platforms, _hardware, _options, _cache)
        for finding in look(facts)
    ]
    order = ("error", "warning", "info")
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _packages(facts: Facts) -> Iterator[Finding]:
    packages = facts["packages"]
    jax, jaxlib = packages.get("jax"), packages.get("jaxlib")
    if jax is None:
        yield Finding(
            "jax-not-installed",
            "error",
            "this Python has no JAX",
            fix='python -m pip install jax, or "jax[cuda13]" for a GPU',
        )
        return
    if jaxlib is None or _numbers(jaxlib) > _numbers(jax):
        yield Finding(
            "jaxlib-mismatch",
            "error",
            f"jax is {jax} and jaxlib is {jaxlib or 'not installed'}: jaxlib must not be newer",
            fix=f'python -m pip install "jax=={jax}" and let it bring its own jaxlib',
        )
    if _numbers(jax) < (0, 10):
        yield Finding(
            "jax-too-old",
            "warning",
            f"jax is {jax}; why a JAX before 0.10 compiles, jaxkit may not be able to tell",
            fix="python -m pip install -U jax",
        )
    for name, version in packages.items():
        halves = name.startswith(("jax-cuda", "jax-rocm"))
        if halves and jaxlib is not None and _numbers(version)[:3] != _numbers(jaxlib)[:3]:
            yield Finding(
                "plugin-version-mismatch",
                "warning",
                f"{name} is {version} and jaxlib is {jaxlib}: JAX may refuse the plugin",
                fix=f'python -m pip install "{name}=={jaxlib}"',
            )


def _shadows(facts: Facts) -> Iterator[Finding]:
    for name in facts["shadows"]:
        yield Finding(
            "shadowed-module",
            "warning",
            f"this folder has a {name}, which a program here imports in place of the package",
            fix="give it another name",
        )


def _probe(facts: Facts) -> Iterator[Finding]:
    probe = facts["probe"]
    step = probe.get("step", "start")
    well = probe["ended"] == "done" and step == "done"
    if facts["packages"].get("jax") is None or well:
        return
    doing = {"import": "import jax", "devices": "find its devices", "compute": "run a program"}
    what = doing.get(step, "start")
    if probe["ended"] == "timeout":
        yield Finding(
            "jax-hangs",
            "error",
            f"JAX did not {what} in time",
            fix="another process may hold the device: end it; JAX_PLATFORMS=cpu goes without it; "
            "jaxkit doctor --timeout 300 waits longer",
        )
    elif probe["ended"] == "died":
        code = probe["code"]
        how = f"of signal {_signal_name(-code)}" if code < 0 else f"with exit code {code}"
        said = probe["said"].strip().splitlines()
        yield Finding(
            "jax-dies",
            "error",
            f"the process died {how} when JAX was to {what}"
            + (f"; it last said: {said[-1][:300]}" if said else ""),
            data={"said": probe["said"]},
        )
    elif step == "devices" and _missing_platforms(facts):
        return  # said there, with the way out
    else:
        kind = {"import": "import-failed", "compute": "compute-failed"}.get(step, "no-devices")
        yield Finding(kind, "error", f"JAX could not {what}: {_first_line(probe['error'])}")


def _flags(facts: Facts) -> Iterator[Finding]:
    for flag in facts["probe"]["unknown_flags"]:
        yield Finding(
            "unknown-xla-flag",
            "error",
            f"XLA does not know {flag}, which XLA_FLAGS sets, and ends the program for it",
            fix="take it out of XLA_FLAGS; flags change with the version of jaxlib",
            data={"flag": flag},
        )


def _platforms(facts: Facts) -> Iterator[Finding]:
    for name in _missing_platforms(facts):
        near = difflib.get_close_matches(name, _KNOWN, n=1)
        fix = f"did you mean {near[0]}?" if near and near[0] != name else _install(name, facts)
        yield Finding(
            "unknown-platform",
            "error",
            f"JAX_PLATFORMS asks for {name!r}, which nothing that is installed provides",
            fix=fix or "unset JAX_PLATFORMS, and JAX takes the best there is",
            data={"platform": name},
        )
    wanted = _wanted(facts)
    for name, reason in facts["probe"].get("backend_errors", {}).items():
        present = _has_hardware(name, facts)
        # JAX tries all that it knows; failing for what is not there is as it should be.
        if present or name in wanted:
            yield Finding(
                "backend-failed",
                "warning",
                f"JAX could not use {name}: {_first_line(reason)}",
                fix=_install(name, facts),
                data={"platform": name, "reason": reason},
            )


def _hardware(facts: Facts) -> Iterator[Finding]:
    probe, machine = facts["probe"], facts["machine"]
    backends = probe.get("backends", {})
    if not backends:
        return
    for platform, names in (("nvidia", _GPU), ("amd", _GPU), ("tpu", ("tpu",))):
        if not machine[platform] or any(name in backends for name in names):
            continue
        if any(name in probe.get("backend_errors", {}) for name in names if name != "gpu"):
            continue  # found above, with JAX's own reason
        wanted = _wanted(facts)
        label = {"nvidia": "an NVIDIA GPU", "amd": "an AMD GPU", "tpu": "a TPU"}[platform]
        if wanted and not set(wanted) & set(names):
            yield Finding(
                "device-excluded",
                "info",
                f"this machine has {label}, and JAX_PLATFORMS={','.join(wanted)} leaves it out",
                fix="unset JAX_PLATFORMS to use it",
            )
        elif platform == "nvidia" and facts["environment"].get("CUDA_VISIBLE_DEVICES") in _HIDDEN:
            yield Finding(
                "device-excluded",
                "info",
                f"this machine has {label}, and CUDA_VISIBLE_DEVICES hides it",
                fix="unset CUDA_VISIBLE_DEVICES to use it",
            )
        else:
            name = {"nvidia": "cuda", "amd": "rocm", "tpu": "tpu"}[platform]
            yield Finding(
                "device-without-plugin",
                "warning",
                f"this machine has {label}, but no installed plugin lets JAX use it: programs run "
                "on the CPU",
                fix=_install(name, facts),
                data={"platform": name},
            )


_HIDDEN = ("", "-1", "NoDevFiles")


def _options(facts: Facts) -> Iterator[Finding]:
    options = facts["probe"].get("options") or {}
    for name, cost in _SLOW.items():
        if options.get(name):
            yield Finding(
                "slow-option",
                "warning",
                f"{name} is on: {cost}",
                fix=f"unset {name.upper()} when nothing is being searched for",
                data={"option": name},
            )


def _cache(facts: Facts) -> Iterator[Finding]:
    cache, options = facts["cache"], facts["probe"].get("options")
    if not options:
        return
    if cache is None:
        yield Finding(
            "no-compilation-cache",
            "info",
            "no folder is set for compiled programs: each process compiles all of them again",
            fix="JAX_COMPILATION_CACHE_DIR=$HOME/.cache/jax keeps what took a second",
        )
        return
    where = cache["directory"]
    if not options.get("jax_enable_compilation_cache", True):
        yield Finding(
            "cache-disabled",
            "warning",
            f"compiled programs are to be kept in {where}, but jax_enable_compilation_cache is off",
            fix="unset JAX_ENABLE_COMPILATION_CACHE",
        )
    if cache.get("writable") is False:
        yield Finding(
            "cache-not-writable",
            "warning",
            f"compiled programs cannot be kept: {where} does not let you make files",
            fix="set JAX_COMPILATION_CACHE_DIR to a folder of your own",
        )
    if where.startswith("~"):
        yield Finding(
            "cache-below-tilde",
            "warning",
            f"JAX takes the '~' in {where!r} for the name of a folder in the current one",
            fix="write $HOME, which the shell replaces",
        )
    limit = options.get("jax_compilation_cache_max_size", -1)
    if cache.get("bytes", 0) > _BIG_CACHE and (limit is None or limit < 0):
        yield Finding(
            "cache-unbounded",
            "info",
            f"{where} has grown to {cache['bytes'] / 2**30:.0f} GiB, and nothing limits it",
            fix="JAX_COMPILATION_CACHE_MAX_SIZE=10000000000 keeps it below 10 GB",
        )


def _wanted(facts: Facts) -> list[str]:
    asked = (facts["probe"].get("options") or {}).get("jax_platforms") or ""
    return [name.strip() for name in asked.split(",") if name.strip()]


def _missing_platforms(facts: Facts) -> list[str]:
    there = facts["probe"].get("platforms") or []
    aliases = {"gpu": _GPU}
    return [
        name
        for name in _wanted(facts)
        if there and not set(aliases.get(name, (name,))) & set(there)
    ]


def _has_hardware(platform: str, facts: Facts) -> bool:
    names = {"cuda": "nvidia", "rocm": "amd", "tpu": "tpu"}
    return bool(facts["machine"].get(names.get(platform, ""), False))


def _install(platform: str, facts: Facts) -> str | None:
    if platform in ("cuda", "gpu"):
        drivers = [_numbers(gpu["driver"]) for gpu in facts["machine"]["nvidia"] if gpu["driver"]]
        # CUDA 13 needs driver 580, CUDA 12 needs 525.
        extra = "cuda12" if drivers and min(drivers) < (580,) else "cuda13"
        return f'python -m pip install -U "jax[{extra}]"'
    return {
        "tpu": 'python -m pip install -U "jax[tpu]"',
        "rocm": 'python -m pip install -U "jax[rocm7-local]"',
    }.get(platform)


def _numbers(version: str) -> tuple[int, ...]:
    """`0.12.0.1` as numbers; what is no number, as in `0.12.1.dev3`, ends it."""
    numbers: list[int] = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:400]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
