"""Which changes of a source do tests see?

    verdicts = cudasim.trials(source, calls)         # mutant -> what gave it away; None: it survives

A mutant is one small change: a number one off, a variable that another takes the place of, another operator, a condition
or a barrier that is missing. All mutants of a source are compiled at once, and each is run by the calls that come through
its place, in a child process: any exception, a crash, or no end is its death.
"""
import ctypes
import faulthandler
import os
import select
import signal
import time
import traceback

from cudasim import build, module, source

PATIENCE = 30                        # seconds that a mutant may take where it is stuck in code that has no mutants


def mutants(code):
    """The mutants of a source, in the order of its text."""
    return build.with_mutants(source.without_comments(code), ("-DREAL=float",))[1]


def trials(code, calls, chosen=None):
    """mutant -> what gave it away, or None where it survives; for all mutants of `code`, or for those in `chosen`.

    calls : functions without arguments that launch kernels of `code`, and raise where the outcome is wrong
    """
    chosen = mutants(code) if chosen is None else chosen
    code = source.without_comments(code)
    reached, most = [], 0
    for call in calls:
        forget_reached(code)
        begin = time.perf_counter()
        with module.using(mutated=(code, 0)), module.recording() as launches:
            call()
        reached.append((time.perf_counter() - begin, call, numbers_reached(code)))
        most = max([most, *[launch.places for launch in launches]])
    reached.sort(key=lambda found: found[0])                      # what is quick may do
    todo = [(mutant, [call for _, call, numbers in reached if mutant.number in numbers]) for mutant in chosen]
    verdicts = {mutant: None for mutant, its_calls in todo if not its_calls}
    todo = [(mutant, its_calls) for mutant, its_calls in todo if its_calls]
    with module.using(limit=10 * most + 100_000, checked=True):
        while todo:
            found = in_child(code, todo)
            verdicts |= dict(zip([mutant for mutant, _ in todo], found))
            todo = todo[len(found):]
    return {mutant: verdicts[mutant] for mutant in chosen}


def survivors(code, calls, chosen=None):
    """The mutants that no call sees."""
    return [mutant for mutant, verdict in trials(code, calls, chosen).items() if verdict is None]


def forget_reached(code):
    for library in module.mutated_libraries.get(code, []):
        ctypes.memset(library.cudasim_reached(), 0, library.cudasim_mutants() + 1)


def numbers_reached(code):
    """The mutants that were come through since they were forgotten."""
    flags = [ctypes.string_at(library.cudasim_reached(), library.cudasim_mutants() + 1)
             for library in module.mutated_libraries.get(code, [])]
    return {number for each in flags for number, met in enumerate(each) if met}


def in_child(code, todo):
    """Verdicts of the first mutants in `todo`: of all, or up to one that crashes the child or does not end."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        faulthandler.disable()                                    # a crash is no news here
        os.close(read)
        for mutant, calls in todo:
            os.write(write, (verdict(code, mutant, calls) + "\n").encode())
        os._exit(0)
    os.close(write)
    text, end = b"", None
    while end is None:
        ready, _, _ = select.select([read], [], [], PATIENCE)
        part = os.read(read, 65536) if ready else b""
        text += part
        if not part:
            os.kill(child, signal.SIGKILL)
            end = "a crash" if ready else f"it runs for more than {PATIENCE} seconds"
    os.close(read)
    os.waitpid(child, 0)
    found = [line or None for line in text.decode().split("\n")[:-1]]
    return found if len(found) == len(todo) else [*found, end]


def verdict(code, mutant, calls):
    """What gives the mutant away, in a line; "" where it survives."""
    with module.using(mutated=(code, mutant.number)):
        for call in calls:
            try:
                call()
            except BaseException as error:
                last = traceback.format_exception_only(error)[-1]
                return " ".join(last.split())[:200] or type(error).__name__
    return ""
