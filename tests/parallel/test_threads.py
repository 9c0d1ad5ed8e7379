"""Dividing work among threads: order, mistakes, nesting, and results that stay the same."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import sedum
from sedum.galaxies.model import GalaxyModel
from sedum.parallel.threads import _quota, available_cores, in_threads


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order(threads):
    assert list(in_threads(lambda i: i * i, range(40))) == [i * i for i in range(40)]
    assert list(in_threads(abs, [-1])) == [1]
    assert list(in_threads(abs, [])) == []
    assert torch.get_num_threads() == threads


def test_each_item_has_one_thread_of_torch(threads):
    assert set(in_threads(lambda _: torch.get_num_threads(), range(8))) == {1}


def test_several_threads_work(threads):
    def work(_):
        time.sleep(0.02)
        return threading.get_ident()

    assert len(set(in_threads(work, range(12)))) == threads


def test_a_mistake_ends_the_rest_and_restores_the_threads(threads):
    done = []

    def work(i):
        if i == 3:
            raise ValueError("item 3")
        done.append(i)

    with pytest.raises(ValueError, match="item 3"):
        list(in_threads(work, range(10_000)))
    assert len(done) < 100
    assert torch.get_num_threads() == threads
    assert list(in_threads(abs, [-1, -2])) == [1, 2]  # the threads are still of use


def test_items_are_taken_as_they_are_needed(threads):
    taken = []
    results = in_threads(abs, (taken.append(i) or i for i in range(1000)))
    next(results)
    assert len(taken) <= 2 * threads + 2
    results.close()
    assert torch.get_num_threads() == threads


def test_work_inside_work_is_not_divided_again(threads):
    def inner(i):
        return sum(in_threads(lambda j: i * j, range(5)))

    assert list(in_threads(inner, range(30))) == [10 * i for i in range(30)]


def test_maximum_of_threads(threads):
    names = set(in_threads(lambda _: threading.get_ident(), range(6), maximum=1))
    assert names == {threading.get_ident()}


def test_photometry_is_the_same_on_any_number_of_threads(small_run, small_model, threads):
    theta = small_model.prior.sample(5200, np.random.default_rng(1))
    flux = small_model.photometry(theta)
    torch.set_num_threads(1)
    assert np.array_equal(flux, small_model.photometry(theta))
    rates = small_model.derived(theta, ["log_sfr_100"])["log_sfr_100"]
    torch.set_num_threads(threads)
    assert np.array_equal(rates, small_model.derived(theta, ["log_sfr_100"])["log_sfr_100"])
    assert type(small_model) is GalaxyModel


def in_new_process(code, **environment):
    own = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    source = str(Path(sedum.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**own, "PYTHONPATH": source, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


def test_threads_wait_passively_unless_the_environment_says_otherwise():
    code = "import sedum, os; print(os.environ['GOMP_SPINCOUNT'], os.environ['OMP_WAIT_POLICY'])"
    assert in_new_process(code) == ["0", "passive"]
    assert in_new_process(code, OMP_WAIT_POLICY="active") == ["0", "active"]


def test_cores_follow_the_affinity_of_the_process():
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "from sedum.parallel.threads import use_available_cores; use_available_cores()\n"
        "print(os.environ['OMP_NUM_THREADS'])"
    )
    if hasattr(os, "sched_setaffinity"):
        assert in_new_process(code) == ["1"]
        assert in_new_process(code, OMP_NUM_THREADS="3") == ["3"]
    assert available_cores() >= 1


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, np.inf),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, np.inf),
        ({"cpu.max": "nonsense"}, np.inf),
        ({}, np.inf),
    ],
)
def test_cores_follow_the_quota_of_a_container(tmp_path, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert _quota(tmp_path) == cores
