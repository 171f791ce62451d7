"""`python benchmarks/inspect.py`: what inspecting costs; the benchmark is `inspecting.py`.

A program's own folder comes first where Python looks for modules, so that this file is found
instead of the standard library's `inspect`, by every program in this folder: it hands that one on.
"""

import sys

if __name__ == "__main__":
    from inspecting import main

    main()
else:
    import importlib.machinery
    import importlib.util
    import sysconfig

    _FOLDERS = [sysconfig.get_path("stdlib")]
    _SPEC = importlib.machinery.PathFinder.find_spec("inspect", _FOLDERS)
    assert _SPEC is not None
    assert _SPEC.loader is not None
    sys.modules[__name__] = _MODULE = importlib.util.module_from_spec(_SPEC)
    _SPEC.loader.exec_module(_MODULE)
