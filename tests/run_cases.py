"""Run files for tests, small enough to be trained in seconds."""


def run_settings(**changes):
    """Return a small three-band run file as a mapping; sections in ``changes`` are merged."""
    bands = ["sdss_g0", "sdss_r0", "sdss_i0"]
    data = {
        "name": "small",
        "filters": bands,
        "priors": {
            "redshift": {"kind": "uniform", "low": 0.05, "high": 1.0},
            "log_mass": {"kind": "uniform", "low": 8.0, "high": 12.0},
        },
        "noise": {
            "depths": dict.fromkeys(bands, 25.0),
            "selection": {"band": "sdss_r0", "snr": 5.0},
        },
        "library": {"size": 3000, "chunk": 1000, "seed": 3},
        "estimator": {"layers": 2, "bins": 4, "width": 32, "blocks": 1},
        "training": {"steps": 60, "round": 20, "batch": 128, "device": "cpu"},
        "catalogue": {
            "id": "id",
            "unit": "uJy",
            "redshift": "z",
            "columns": {b: {"value": f"f_{b}", "error": f"e_{b}"} for b in bands},
        },
        "output": {"draws": 64, "derived_draws": 16},
    }
    for section, value in changes.items():
        if isinstance(value, dict) and isinstance(data.get(section), dict):
            data[section] = {**data[section], **value}
        else:
            data[section] = value
    return data
