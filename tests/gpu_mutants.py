"""Do the calls in gpu_cases notice a mistake in a kernel? python tests/gpu_mutants.py [TOPIC ...]

Every small change of a kernel's source (cudasim/places.py makes them) is run on the calls that come through it, in the
simulator that watches every access, until one gives it away. What comes out goes to tests/gpu/mutants.json; minutes for
all topics. What survives must be in SURVIVE, which says why no call of the tests can tell.
"""
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from time import process_time

import cudasim
import gpu_cases
import nvrtc
from gpu_tools import MUTANTS, fingerprint, listening, load, on_the_double, run, save, topics

from minidl.kernels import reference

WAYS = ("float32", "forward"), ("float64", "shuffle")    # of running a call: its dtype, and the threads' order
SHORT = 0.004                # seconds of a call

EVERY = ""
SURVIVE = [                  # functions, a part of the line, changes of it, and why they make no difference
    ("part_statistics merge_statistics part_sums merge_sums group_norm sum_channels cross_entropy_rows",
     "if (threadIdx.x == 0)", ["0 -> 0 + 1"], "each thread has the sum, and any one may write it"),
    ("start_of_row local_response_norm local_response_norm_gradient cumprod_gradient", "i % ", ["i -> i + 1, 2"],
     "threads change places with each other"),
    ("add_rows", "i % inner", ["i -> i + 1", "i -> i + 1, 2"], "threads change places with each other"),
    ("adaptive_avg_pool adaptive_max_pool", "thread % lanes", ["thread -> thread + 1"],
     "threads change places with each other"),
    ("part_sums_of_columns", "blockIdx.x % parts", ["blockIdx.x -> blockIdx.x + 1"], "blocks change places with each other"),
    ("adaptive_avg_pool", "window[", ["i -> i + 1, 3"], "the cells of a row change places"),
    ("adaptive_max_pool", "i % columns", ["i -> i + 1, 2"], "the cells of a row change places"),
    ("warp_sum warp_max", "away", ["16 -> 16 + 1", "away -> away + 1, 2"],
     "lanes that differ by 17, 9, 5, 3 and 2 in five steps come together as those that differ by 16, 8, 4, 2 and 1 do"),
    ("of_warps", "threadIdx.x", ["threadIdx.x -> threadIdx.x + 1", "0 -> 0 + 1", "32 -> 32 + 1"],
     "any lane of a warp may hand on its number, and up to 16 warps may be told apart by remainders by 33"),
    ("of_warps", "blockDim.x / 32", ["blockDim.x -> blockDim.x + 1"], "a block has a multiple of 32 threads"),
    ("larger", "a > b", ["> -> >="], "of equal numbers either is the larger one"),
    ("smaller", EVERY, [], "only kernels that are made at run time use it, and they are not mutated"),
    ("im2col", "i % (OH", ["i -> i + 1", "i -> i + 1, 2"], "threads change places with each other"),
    ("fetch", "j < columns", ["< -> <=", "&& j < columns removed", "< -> <=, 2"],
     "what is beyond the filter is not multiplied"),
    ("depthwise depthwise_gradient_w", "fetch(v", ["- -> +", "- -> +, 2"], "what is beyond the filter is not multiplied"),
    ("depthwise", "0 < K", ["< -> <="], "a part that begins behind the filter has no taps"),
    ("depthwise_gradient_w", "blockIdx.x /", ["blockIdx.x -> blockIdx.x + 1", "blockIdx.x -> blockIdx.x + 1, 2"],
     "blocks change places with each other"),
    ("depthwise_gradient_w", "pixel % (OH", ["pixel -> pixel + 1, 2"], "threads change places with each other"),
    ("depthwise_gradient_w", "lane", ["threadIdx.x -> threadIdx.x + 1", "threadIdx.x -> threadIdx.x + 1, 2", "0 -> 0 + 1",
                                      "32 -> 32 + 1"], "any lane of a warp may hand on its number, as in of_warps"),
    ("depthwise_gradient_w", "blockDim.x / 32", ["blockDim.x -> blockDim.x + 1"], "a block has a multiple of 32 threads"),
    ("direct direct_gradient_w", "int mine", ["threadIdx.x -> threadIdx.x + 1, 2"], "threads change places with each other"),
    ("direct", "k < K", ["K -> K + 1", "< -> <="], "one more step, in which every tap is 0"),
    ("direct direct_gradient_w", "blockIdx.y % G", ["blockIdx.y -> blockIdx.y + 1"], "blocks change places with each other"),
    ("direct", "first = q", ["C -> C + 1"], "a window sees only 0 from its last channel on"),
    ("direct", "int d0", ["threadIdx.x -> threadIdx.x + 1"], "threads change places with each other"),
    ("direct_gradient_w", "int p = q", ["q -> q + 1"], "the pixels of an image change places"),
    ("direct_gradient_w", "f < FILTERS", ["< -> <="], "it goes to the numbers by which rows are apart"),
    ("direct_gradient_w", "t < t1", ["t -> t + 1"], "t goes by steps of DEPTH"),
    ("direct", "tap[i] =", ["0 -> 0 + 1"], "pixels beyond the last tap are 0, and filters beyond the last are not stored"),
    ("direct_gradient_w", "int lane", ["threadIdx.x -> threadIdx.x + 1"], "threads change places with each other"),
    ("direct_gradient_w", "step * 32 <", ["N -> N + 1", "P -> P + 1", "< -> <="], "more steps, in which every pixel is 0"),
    ("direct_gradient_w", "gys[lane][f]", ["0 -> 0 + 1, 2"],
     "pixels beyond the last are 0, and filters beyond the last are not stored"),
    ("encrypted", "i >> 32", ["i -> i + 1, 2", ">> -> <<", "32 -> 32 + 1"], "it counts from 2^34 numbers on"),
    ("encrypted", "p1 >> 32", ["p1 -> p1 + 1"], "it carries for one number in 2^32"),
    ("encrypted", "p0 >> 32", ["p0 -> p0 + 1"], "it carries for one number in 2^32"),
    ("wins", "place < 0", ["place -> place + 1", "< -> <=", "0 -> 0 + 1"],
     "lane 0 meets cell 0 first, and compares it with nothing"),
    ("wins", "place < 0", ["place -> place + 1, 2"], "every lane has a cell"),
    ("wins", "place < winner", ["< -> <=", "winner -> winner + 1"], "no cell is compared with itself"),
    ("wins", "v > best", ["> -> >="], "equal numbers have been decided before"),
    ("max_pool_gradient", "begin < windows", ["< -> <=", "windows -> windows + 1"], "lanes beyond the windows do nothing"),
    ("max_pool_gradient", ": -1", ["1 -> 1 + 1"], "any number below 0 says that there is no winner"),
    ("max_pool_gradient", "gy[o] : 0", ["0 -> 0 + 1"], "it is added where there is no winner"),
    ("adaptive_max_pool", "best = 0", ["0 -> 0 + 1"], "it is compared with nothing"),
    ("adaptive_max_pool", "winner = -1", ["1 -> 1 + 1"], "any number below 0 says that there is no winner"),
    ("adaptive_max_pool", "wins(plane", ["place -> place + 1, 2"], "a lane meets its cells in their order"),
    ("adaptive_max_pool", "wins(v", ["winner -> winner + 1"], "no cell is compared with itself"),
    ("adaptive_avg_pool_gradient", "start(", ["< -> <="], "behind the last window, windows start behind the image"),
    ("cumprod_gradient", "r = 0", ["0 -> 0 + 1", "0 -> 0 + 1, 2"], "the two are multiplied, and one of them is still 0"),
    ("part_statistics", "++j) {", ["< -> <="], "a block has no more numbers than its threads have"),
    ("part_statistics", "REAL some", ["P -> P + 1", "+ -> -, 2", "% -> /", "P -> P + 1, 2"],
     "any number of the channel will do"),
    ("merge_statistics group_norm", "max(1,", ["1 -> 1 + 1", "1 -> 1 + 1, 2"], "of one number, the sum is 0"),
    ("group_norm", "sum += x[i] - some", ["threadIdx.x -> threadIdx.x + 1"], "what is left out is x[0] - x[0]"),
]

CATEGORIES = {               # what a change is called: does it belong?
    "a barrier removed": lambda change: change.startswith("__sync"),
    "off by one": lambda change: "+ 1" in change,
    "another variable, such as the other axis": lambda change: " -> " in change and is_name(change.split(" -> ")[0]),
    "a condition, or a jump, removed": lambda change: "removed" in change,
    "another operator": lambda change: " -> " in change,
}


def is_name(text):
    return text.replace(".", "").isidentifier()


def category(change):
    return next(name for name, belongs in CATEGORIES.items() if belongs(change))


def names(mutants):
    """mutant -> (function, line of code, change), by which it is known: line numbers come and go. Of equal ones, which."""
    found, seen = {}, Counter()
    for mutant in mutants:
        lines = (nvrtc.FOLDER / mutant.file).read_text().split("\n")
        name = mutant.function, " ".join(lines[mutant.line - 1].split("//")[0].split()), mutant.change
        seen[name] += 1
        found[mutant] = (*name[:2], f"{name[2]}, {seen[name]}" if seen[name] > 1 else name[2])
    return found


def reason(name):
    """Why a mutant of this name makes no difference, or None."""
    function, line, change = name
    for functions, part, changes, why in SURVIVE:
        if function in functions.split() and part in line and change in (changes or [change]):
            return why
    return None


def trials(gpu, topic, choose=lambda mutants: mutants, long_calls=True):
    """[(mutant, its name, what gave it away or None)], of the mutants of a topic's source that are chosen.

    Only what survives the short calls is run on the long ones, and on these in one way only.
    """
    source = nvrtc.source(topic)
    mutants = cudasim.mutants(source)
    name, (short, long) = names(mutants), calls_of(gpu, topic)
    found = cudasim.trials(source, [checking(gpu, call, *way) for way in WAYS for call in short], choose(mutants))
    if long_calls and long:
        survivors = [mutant for mutant, verdict in found.items() if verdict is None]
        found |= cudasim.trials(source, [checking(gpu, call, *WAYS[0]) for call in long], survivors)
    return [(mutant, name[mutant], verdict) for mutant, verdict in found.items()]


def calls_of(gpu, topic):
    """The calls that launch a kernel of the topic's, each in order of its time: the short ones, and the long ones."""
    found = []
    for calls in gpu_cases.topics().values():
        for call in calls:
            launched = set()
            with listening(lambda of, *_, launched=launched: launched.add(of)):
                run(gpu, call)
            if topic in launched:
                start = process_time()
                run(gpu, call)
                found.append((process_time() - start, len(found), call))
    found.sort()
    return [call for time, _, call in found if time < SHORT], [call for time, _, call in found if time >= SHORT]


def checking(gpu, call, dtype, order):
    def checked():
        with cudasim.using(order=order):
            call.agrees(gpu, reference, dtype)
    return checked


def of_topic(topic):
    """For MUTANTS: of a topic's own file and of common.cu, the mutants made by function and category, and the survivors."""
    with on_the_double() as gpu:
        found = trials(gpu, topic)
    answer = {"fingerprint": fingerprint(topic)}
    for file in f"{topic}.cu", "common.cu":
        here = [(name, verdict) for mutant, name, verdict in found if mutant.file == file]
        answer[file] = {"functions": Counter([name[0] for name, _ in here]),
                        "categories": Counter([category(name[2]) for name, _ in here]),
                        "survivors": [name for name, verdict in here if verdict is None]}
    return answer


def by_file(mutants):
    """Of what gpu_mutants.py has found topic by topic, a dict by file; what a topic sees in common.cu is seen."""
    files = {f"{topic}.cu": found[f"{topic}.cu"] for topic, found in mutants.items()}
    of_common = [found["common.cu"] for found in mutants.values()]
    survivors = [name for name in of_common[0]["survivors"] if all([name in found["survivors"] for found in of_common])]
    return {"common.cu": of_common[0] | {"survivors": survivors}, **files}


def table(mutants):
    """Lines of a table: of how many mutants of each category how many were killed."""
    made, survived = Counter(), Counter()
    for of_file in mutants.values():
        made.update(of_file["categories"])
        survived.update([category(change) for *_, change in of_file["survivors"]])
    lines = ["| a mutant has | made | killed |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {n} | {n - survived[name]} |" for name, n in made.items()]
    return [*lines, f"| together | {made.total()} | {made.total() - survived.total()} |"]


def main(chosen):
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for topic, found in zip(chosen, pool.map(of_topic, chosen)):
            results = (load(MUTANTS) if MUTANTS.exists() else {}) | {topic: found}
            own = found[f"{topic}.cu"]
            print(f"{topic}: {len(own['survivors'])} of {sum(own['functions'].values())} survive", flush=True)
            for name in own["survivors"]:
                if not reason(name):
                    print(f"    nobody knows why: {name}", flush=True)
            save(MUTANTS, {topic: results[topic] for topic in topics() if topic in results})


if __name__ == "__main__":
    main(sys.argv[1:] or topics())
