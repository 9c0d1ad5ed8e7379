"""Fast versions of the parity benchmarks: independent codes, the same tables."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sedum.photometry.filters import FilterSet

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ["acs_wfc_f606w", "acs_wfc_f814w", "jwst_f150w", "jwst_f277w", "jwst_f444w"]


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("history", "law"),
    [
        ("delayed", "Calzetti"),
        ("constant", "Salim"),
        ("lognormal", "CF00"),
        ("dblplaw", "Cardelli"),
        ("continuity", "SMC*"),
    ],
)
def test_bagpipes(benchmark, history, law):
    """The limits are those that the project set itself, on fewer galaxies."""
    import parity_bagpipes

    if parity_bagpipes.import_bagpipes() is None:
        pytest.skip("bagpipes cannot be imported here")
    filters = FilterSet.from_names(NAMES)
    found = parity_bagpipes.compare(history, law, filters, 25, resolutions=(1000.0,))
    off, use = found["flux"][1000.0], found["use"]
    for j in range(len(filters)):
        median, most = parity_bagpipes.quantiles(off[use[:, j], j])
        assert median < 0.01
        assert most < 0.05
    for name in ("log_mass_surviving", "log_sfr_100"):
        assert np.median(np.abs(found["derived"][name])) < 0.01
    for line in parity_bagpipes.LINES:
        assert np.median(np.abs(found["derived"][f"log_flux_{line}"])) < 0.02
