"""Tasks in parallel: fresh processes of one thread each, and what is in the store is not computed again."""
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context

LIBRARIES = ("OMP", "MKL", "OPENBLAS", "NUMBA")


def results(tasks, store, processes, progress=lambda text: None):
    """The results of tasks, in their order. A task is a picklable dataclass whose `run()` gives a dict for JSON.

    Those that the store has not are run, the most costly first, by their `cost`, in so many processes; each is stored
    as soon as it is there.
    """
    missing = sorted({task for task in tasks if store.get(task) is None}, key=lambda task: -task.cost)
    progress(f"{len(missing)} of {len(set(tasks))} left")
    for done, (task, result) in enumerate(computed(missing, processes), 1):
        store.put(task, result)
        progress(f"{len(missing) - done} of {len(set(tasks))} left; done: {task}")
    return [store.get(task) for task in tasks]


def computed(tasks, processes):
    """(task, result) as they are done. One thread each: so small networks are not faster on two, and bits do not depend
    on how many there are."""
    if not tasks:
        return
    with one_thread_each(), ProcessPoolExecutor(min(processes, len(tasks)), get_context("spawn")) as pool:
        futures = {pool.submit(run, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run(task):
    return task.run()


@contextmanager
def one_thread_each():
    """Processes started in this block have one thread in every library: they read the environment when they start."""
    names = [f"{library}_NUM_THREADS" for library in LIBRARIES]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
