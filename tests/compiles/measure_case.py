"""What JAX itself says of a case: `python measure_case.py CASE...`.

Prints, for each script, the backend compilations per function name and the case's lines they
came from, as `jax.monitoring` reports them; jaxkit is not involved. The numbers in
`cases/expected.json` were written down from it, on both supported JAX versions.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

WORKER = Path(__file__).with_name("case_worker.py")
ENVIRON = re.compile(r"^os\.environ\[\"(JAX_\w+)\"\] = \"(\w+)\"$", re.MULTILINE)


def environment_of(case: Path) -> tuple[tuple[str, str], ...]:
    """The `JAX_*` variables that the script sets for itself before it imports JAX."""
    return tuple(ENVIRON.findall(case.read_text()))


def plain_environment() -> dict[str, str]:
    """This process's environment, less what others may have set for their JAX; on the CPU."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX", "XLA_"))}
    return {**kept, "JAX_PLATFORMS": "cpu"}


def run_cases(cases: list[Path], out: Path, *options: str) -> dict[Path, Path]:
    """Run the cases in as few processes as their environments allow.

    Returns where the files of each case begin: `OUT/group/number`.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for case in cases:
        groups.setdefault(environment_of(case), []).append(case)
    stems = {}
    for index, (variables, members) in enumerate(groups.items()):
        folder = out / str(index)
        folder.mkdir()
        command = [sys.executable, str(WORKER), *options, str(folder), *map(str, members)]
        environ = {**plain_environment(), **dict(variables)}
        subprocess.run(command, env=environ, check=True)
        stems.update({case: folder / str(n) for n, case in enumerate(members)})
    return stems


def main() -> None:
    cases = [Path(name).resolve() for name in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        stems = run_cases(cases, Path(folder), "--measure-only")
        for case, stem in stems.items():
            found = json.loads(stem.with_suffix(".counts.json").read_text())
            print(f"{case.parent.name}/{case.name}", "" if not found["exit"] else "FAILED")
            for name, count in found["compiles"].items():
                lines = [line and line.split(":")[1] for line in found["lines"][name]]
                print(f"    {name}: {count}  at {lines}")
            if found["exit"]:
                print(stem.with_suffix(".log").read_text())


if __name__ == "__main__":
    main()
