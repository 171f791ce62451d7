from jaxkit_scale_gradient import scale_gradient

from jaxkit.testing import parametrize_with_checks


@parametrize_with_checks([scale_gradient(factor=-1.0)])
def test_laws(check):
    check()
