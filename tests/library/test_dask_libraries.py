"""Libraries made on Dask are the same bit for bit; workers that lack something are named."""

import os
import signal
import subprocess
import sys
import time
from threading import Thread

import numpy as np
import pytest
import torch

from run_cases import run_settings
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.library import dask_chunks as on_dask
from sedum.library import generate
from sedum.library.generate import simulate
from sedum.parallel import dask_cluster as cluster

pytest.importorskip("distributed", reason="needs sedum[survey]")

pytestmark = pytest.mark.slow

#: A scheduler and its workers in one process, where sedum is not as here.
FOREIGN = """
import asyncio, sys
{change}
from distributed import Scheduler, Worker

async def main():
    async with Scheduler(port=0, dashboard=False, dashboard_address=":0") as scheduler:
        if {workers}:
            async with Worker(scheduler.address, dashboard=False):
                print(scheduler.address, flush=True)
                await scheduler.finished()
        print(scheduler.address, flush=True)
        await scheduler.finished()

asyncio.run(main())
"""


@pytest.fixture
def foreign():
    """Start a scheduler in another process; returns its address."""
    started = []

    def start(change="", workers=1):
        code = FOREIGN.format(change=change, workers=workers)
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process.stdout.readline().strip()

    start.started = started
    yield start
    for process in started:
        process.kill()
        process.wait()


def test_library_does_not_depend_on_threads(small_run, small_model, small_library, tmp_path):
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            simulate(small_run, tmp_path / f"{threads}.h5", model=small_model)
            assert torch.get_num_threads() == threads
            assert (tmp_path / f"{threads}.h5").read_bytes() == small_library.read_bytes()
    finally:
        torch.set_num_threads(before)


def test_library_is_the_same_on_workers_though_all_of_them_die(
    dask_client, small_model, tmp_path, monkeypatch
):
    run = parse_run(run_settings(library={"size": 2000, "chunk": 40}))
    simulate(run, tmp_path / "here.h5", model=small_model)
    path, parts = tmp_path / "there.h5", tmp_path / "there.h5.parts"
    # Begun here, and interrupted.
    genuine = generate._simulate_chunk

    def dying(model, seed, index, *rest):
        if index > 1:
            raise KeyboardInterrupt
        genuine(model, seed, index, *rest)

    monkeypatch.setattr(generate, "_simulate_chunk", dying)
    with pytest.raises(KeyboardInterrupt):
        simulate(run, path, model=small_model)
    # Continued there.
    asked, real = [], on_dask.chunks_on_dask

    def noting(run, model, missing, **options):
        asked.extend(missing)
        yield from real(run, model, missing, **options)

    monkeypatch.setattr(on_dask, "chunks_on_dask", noting)
    before = set(dask_client.run(os.getpid).values())
    found = []

    def kill():
        while len(list(parts.glob("0*.safetensors"))) < 3 and not path.exists():
            time.sleep(0.001)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        found.append(len(list(parts.glob("0*.safetensors"))))

    killer = Thread(target=kill)
    killer.start()
    simulate(run, path, model=small_model, client=dask_client)
    killer.join()
    assert asked == list(range(2, 50))
    assert found[0] < 50, "it was done before the workers were killed"
    assert not before & set(dask_client.run(os.getpid).values())
    assert path.read_bytes() == (tmp_path / "here.h5").read_bytes()


def test_workers_with_another_model_are_refused(dask_client, small_run, small_model, tmp_path):
    class Other:
        prior, filters = small_model.prior, small_model.filters

        def fingerprint(self):
            return {**small_model.fingerprint(), "grid": "of another file"}

    made = on_dask._MakeModel(small_run, Other())
    made.model = None  # as of a model that is made from the run file in the worker
    with pytest.raises(SedumError, match="a Dask worker has other grid than this process"):
        made()
    with pytest.raises(SedumError, match="a Dask worker has other grid than this process"):
        cluster.broadcast(dask_client, "other", made)


def test_mistakes_in_a_worker_are_one_line(dask_client, small_run, small_model, tmp_path):
    class Failing:
        prior, filters = small_model.prior, small_model.filters

        def fingerprint(self):
            return {"model": "failing"}

        def photometry(self, theta):
            from sedum.errors import SedumError

            raise SedumError("row 3: outside the model")

    with pytest.raises(SedumError, match=r"^row 3: outside the model$"):
        simulate(small_run, tmp_path / "a.h5", model=Failing(), client=dask_client)
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sys.modules['sedum'] = None", r"Dask worker tcp://\S+ has no sedum; install"),
        (
            "import sedum._version; sedum._version.__version__ = '0.0.1'",
            r"Dask worker tcp://\S+ has other versions: sedum 0\.0\.1 \(here ",
        ),
    ],
)
def test_workers_without_this_sedum_are_named(
    change, message, foreign, small_run, small_model, tmp_path
):
    address = foreign(change)
    with pytest.raises(SedumError, match=message):
        simulate(small_run, tmp_path / "a.h5", model=small_model, scheduler=address)


def test_schedulers_without_workers_or_folders(foreign, dask_client, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_FIRST_WORKER", 0.2)
    address = foreign(workers=0)
    with (
        pytest.raises(SedumError, match=f"{address} has no workers; start some: dask worker"),
        cluster.connected(scheduler=address),
    ):
        pass
    with (
        pytest.raises(SedumError, match="client and scheduler exclude each other"),
        cluster.connected(dask_client, address),
    ):
        pass
    with pytest.raises(SedumError, match=r"Dask worker tcp://\S+ does not see the catalogue"):
        cluster.check_sees(dask_client, tmp_path / "elsewhere", "the catalogue")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SedumError, match=r"package distributed; pip install 'sedum\[survey\]'"):
        cluster.require()


def test_a_scheduler_that_dies_ends_it_and_loses_nothing(foreign, small_model, tmp_path):
    class Slow:
        prior, filters = small_model.prior, small_model.filters

        def fingerprint(self):
            return {"model": "slow"}

        def photometry(self, theta):
            time.sleep(0.05)
            return np.ones((len(theta), len(self.filters)), np.float32)

    run = parse_run(run_settings(library={"size": 60, "chunk": 2}))
    path, parts = tmp_path / "a.h5", tmp_path / "a.h5.parts"
    address = foreign()

    def kill():
        while not (list(parts.glob("0*.safetensors")) or path.exists()):
            time.sleep(0.001)
        foreign.started[-1].kill()

    killer = Thread(target=kill)
    killer.start()
    with pytest.raises(SedumError, match=f"the Dask scheduler at {address} is gone; call again"):
        simulate(run, path, model=Slow(), scheduler=address)
    killer.join()
    kept = len(list(parts.glob("0*.safetensors")))
    assert 0 < kept < 30
    assert len(simulate(run, path, model=Slow())) == 60


def test_local_workers_have_one_thread_each():
    def threads():
        import torch

        return torch.get_num_threads()

    with cluster.connected(workers=1) as client:
        cluster.broadcast(client, "number", dict)
        assert list(client.run(threads).values()) == [1]
        assert np.sum(list(client.nthreads().values())) == 1
