"""`jaxkit doctor`: is this installation of JAX what it should be?"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer

from jaxkit.report import Block, Finding, Report, Text, Tree

__all__ = ["doctor", "examine"]


def doctor(
    context: typer.Context,
    save: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="PATH",
            help="Also write a report: .txt to read, .json for programs. May be given several "
            "times.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How long JAX may look for devices.")
    ] = 60.0,
) -> None:
    """Look at this installation of JAX and say what is off.

    Versions, plugins, the devices that JAX finds or why it does not, the compilation cache, flags.
    JAX looks in a process of its own: a device that hangs does not hang this.

    \b
    Examples:
      jaxkit doctor
      jaxkit doctor --report doctor.json      for a bug report
      JAX_PLATFORMS=tpu jaxkit doctor --timeout 10
    """  # noqa: D301  # typer's \b keeps the examples' lines
    context.obj.append(partial(_doctor, save or [], timeout))


def _doctor(save: list[str], timeout: float) -> int:
    from jaxkit.cli.machine import collect
    from jaxkit.report import check_writable
    from jaxkit.report.render_text import print_report

    for path in save:
        check_writable(path)
    report = examine(collect(timeout=timeout))
    for path in save:
        report.save(path)
    print_report(report, sys.stdout)
    return 0


def examine(facts: Mapping[str, Any]) -> Report:
    """The report on facts that were gathered.

    Args:
        facts: As `machine.collect` gives them.
    """
    from jaxkit.cli.diagnosis import diagnose

    findings = diagnose(facts)
    rows = [(name, value) for name, value in _rows(facts) if value]
    blocks: list[Block] = [
        Text(f"jaxkit: {_headline(findings)}", style="heading"),
        *(Tree(f"{name}: {value}") for name, value in rows),
        *(_tree(finding) for finding in findings),
    ]
    return Report("doctor", findings, facts, blocks)


def _headline(findings: list[Finding]) -> str:
    off = sum(finding.severity != "info" for finding in findings)
    if not off:
        return "nothing is off in this installation of JAX"
    return f"{off} {'thing is' if off == 1 else 'things are'} off in this installation of JAX"


def _tree(finding: Finding) -> Tree:
    style = "bad" if finding.severity != "info" else "plain"
    fix = [f"fix: {finding.fix}"] if finding.fix else []
    return Tree(f"{finding.severity} {finding.kind}", [finding.message, *fix], style=style)


def _rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    probe, machine = facts["probe"], facts["machine"]
    options = probe.get("options") or {}
    backends = [
        f"{name}: {found['devices']} x {', '.join(found['kinds'])}"
        + (" (default)" if name == probe.get("default") else "")
        for name, found in (probe.get("backends") or {}).items()
    ]
    failed = [
        f"{name} ({reason.strip().partition(chr(10))[0][:100]})"
        for name, reason in (probe.get("backend_errors") or {}).items()
    ]
    gpus = [f"{gpu['name']} {gpu['driver']}".strip() for gpu in machine["nvidia"]]
    return [
        ("python", f"{facts['python']['version']}, {facts['python']['system']}"),
        ("interpreter", facts["python"]["executable"]),
        ("packages", ", ".join(f"{name} {each}" for name, each in facts["packages"].items())),
        ("plugins", ", ".join(facts["plugins"]) or "none"),
        ("devices", "; ".join(backends)),
        ("not used", "; ".join(failed)),
        ("machine", _and(f"{machine['cpus']} CPUs", *gpus, *machine["tpu"])),
        ("64 bit", "on" if options.get("jax_enable_x64") else "off" if options else ""),
        ("cache", _cache(facts["cache"]) if options else ""),
        ("variables", "  ".join(f"{name}={value}" for name, value in facts["environment"].items())),
    ]


def _cache(cache: Mapping[str, Any] | None) -> str:
    if cache is None:
        return "not set"
    if "exists" not in cache:
        return cache["directory"]
    size = f"{cache['files']} files, {cache['bytes'] / 2**20:.1f} MiB"
    return f"{cache['directory']}, {size if cache['exists'] else 'made when first used'}"


def _and(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
