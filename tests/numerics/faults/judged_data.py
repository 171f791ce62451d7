"""Random arguments of the judge's corpus: of one generator, in the order in which he drew them."""

from __future__ import annotations

import numpy as np

_rng = np.random.default_rng(20261)
_normal, _uniform = _rng.normal, _rng.random

TREND = _normal(size=31)
GRADIENT = _normal(size=5)
ROTATED = _normal(size=(8, 2))
POSITION, MOMENTUM = _normal(size=512), _normal(size=512)
SIGNS, SIZES = np.sign(_normal(size=(2, 16))), _uniform((2, 16))
TICKS = _normal(size=40)
SMALL_GRADIENT = _normal(size=32)
TRIANGLE = _uniform((3, 3))

PARTICLES = _normal(size=(3, 2))
IMAGE = _uniform((4, 4))
MASKED_QKV = [_normal(size=(3, 4)) for _ in range(3)]
GAUSSIAN_SAMPLE = _normal(size=30)
HALF_VALUES = _normal(size=(2, 64))
TOKEN_SHARES = _uniform(60)
EVIDENCE = _normal(size=30)

LOGITS = _normal(size=(4, 5))
SAMPLES = _normal(size=500)
SUMMANDS = _uniform(8000)
ACTIVATIONS, GAINS, SHIFTS = _normal(size=(4, 32)), _normal(size=32), _normal(size=32)
CAUSAL_QKV = [_normal(size=(6, 8)) for _ in range(3)]
PERCEPTRON = [_normal(size=shape) for shape in ((16, 32), (32, 2), (8, 16), (8, 2))]
REGRESSION = [_normal(size=shape) for shape in (4, (20, 4), 20)]
STREAM = [_normal(size=shape) for shape in (8, (20, 8), (20, 4))]
