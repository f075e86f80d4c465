"""What is known of every kernel of the GPU's set, measured and written down: python tests/gpu_table.py

NVRTC compiles the kernels, and the simulator runs their calls: a minute or two. What comes out is kept in
tests/gpu/measured.json, and from there it is written into docs/gpu.md and into a line above each kernel. What is known of
mutants is read from tests/gpu/mutants.json, which gpu_mutants.py writes.
"""
import re
import textwrap
from pathlib import Path

import cudasim
import gpu_cases
import gpu_mutants
import gpu_typical
import nvrtc
from gpu_tools import DECLARED, MUTANTS, declared, fingerprint, listening, load, on_the_double, run, save, topics

from minidl.bench import roofline
from minidl.bench.cases import NETWORKS

ROOT = Path(__file__).parents[1]
DOCS, MEASURED = ROOT / "docs/gpu.md", ROOT / "tests/gpu/measured.json"
ARCHS, REALS, ORDERS = ("sm_75", "sm_80", "sm_90"), ("float", "double"), 3
BESIDE = re.compile(r"^// H100: [^\n]*\n", re.M)

MORE = 1.05                  # times the least that a kernel may move without a reason
WHY = {                      # a mark in the table: the reason
    "a": "A thread asks for a number two or three times within a few lines; the compiler keeps it in a register.",
    "b": "A row, or a block's part of it, is gone through again once its largest number or its sum is known. It comes "
         "from memory the first time and from the caches then, unless it is longer than they are.",
    "c": "Windows overlap: a number is asked for by each window that it lies in. It comes from memory once.",
    "d": "Neighbours read every second number, and the sectors between them twice. These come from memory once.",
    "e": "Few numbers, each in a sector of its own, the rest of which is moved for nothing.",
    "f": "Half of the numbers are not needed, but lie in the same sectors as the others.",
    "g": "Where a warp's numbers do not begin with a sector, it touches one more.",
    "h": "A block fetches for its tile what other blocks do for theirs; it comes from the L2 cache.",
    "i": "Each thread goes through the whole index, a warp's threads at one number: K^2 comparisons, of cached numbers.",
    "j": "A number that is the same for a whole warp, such as an index or a channel's mean, is moved once for every warp.",
    "k": "The result is 0 first, and where it is not, read and written again, from the L2 cache.",
}
BECAUSE = {                  # a kernel: its marks
    "relu_gradient": "f", "im2col": "c", "col2im": "g", "sort_index": "i", "add_rows": "j", "put_rows": "j",
    "scatter_add": "j", "max_pool": "a, d", "max_pool_gradient": "k", "avg_pool": "d", "adaptive_max_pool": "a",
    "adaptive_avg_pool_gradient": "j", "local_response_norm_gradient": "b, c",
    **dict.fromkeys(["softmax_rows", "log_softmax_rows", "softmax_gradient_rows", "log_softmax_gradient_rows",
                     "softmax_columns", "log_softmax_columns", "softmax_gradient_columns", "log_softmax_gradient_columns",
                     "cross_entropy_rows", "cross_entropy_columns", "group_norm", "group_norm_gradient",
                     "cumprod_gradient"], "b"),
    **dict.fromkeys(["depthwise", "depthwise_gradient_x", "depthwise_gradient_w", "local_response_norm",
                     "avg_pool_gradient"], "c"),
    **dict.fromkeys(["direct", "direct_gradient_w"], "c, h"),
    **dict.fromkeys(["merge_statistics", "merge_sums"], "e"), **dict.fromkeys(["part_sums", "part_sums_of_columns"], "a, j"),
}


# ---- measuring


def measure():
    """A dict for MEASURED."""
    kernels = {}
    for topic in topics():
        used = {(arch, real): nvrtc.report(topic, arch, real) for arch in ARCHS for real in REALS}
        for name in declared(topic):
            on_h100 = [used["sm_90", real][name] for real in REALS]
            kernels[name] = {"topic": topic, "compiled": sum([name in one for one in used.values()]),
                             "registers": [one.registers for one in on_h100], "shared": [one.shared for one in on_h100]}
    with on_the_double() as gpu:
        calls = counted_calls(gpu)
        for name, found in typical(gpu).items():
            kernels[name] |= {"calls": calls[name], **found}
    return {"NVRTC": ".".join(map(str, nvrtc.version())),
            "fingerprints": {topic: fingerprint(topic) for topic in topics()}, "kernels": kernels}


def counted_calls(gpu):
    """kernel -> how many of the calls in gpu_cases launch it"""
    counts = {}
    for calls in gpu_cases.topics().values():
        for call in calls:
            names = set()
            with listening(lambda topic, name, *_, names=names: names.add(name)):
                run(gpu, call)
            for name in names:
                counts[name] = counts.get(name, 0) + 1
    return counts


def typical(gpu):
    """kernel -> threads of a block, dynamic shared memory, and bytes: asked for, and the least, by each number.

    That is each number of the largest array of the call; by a kernel in several calls, of all of them.
    """
    found = {}
    for call in gpu_typical.CALLS:
        sizes = []
        with (cudasim.recording() as launches,
              listening(lambda topic, name, threads, shared, args, sizes=sizes: sizes.append((threads, shared, args)))):
            run(gpu, call)
        for launch, (threads, shared, args) in zip(launches, sizes, strict=True):
            one = found.setdefault(launch.kernel, {"threads": 0, "dynamic": 0, "numbers": 0, "asked": 0, "least": 0})
            one["threads"], one["dynamic"] = max(one["threads"], threads), max(one["dynamic"], shared)
            one["numbers"] += max([x.size for x in args if hasattr(x, "dtype") and x.ndim])
            one["asked"] += launch.loaded + launch.stored
            one["least"] += launch.distinct_loaded + launch.distinct_stored
    for one in found.values():
        numbers = one.pop("numbers")
        one["asked"], one["least"] = round(one["asked"] / numbers, 2), round(one["least"] / numbers, 2)
    return found


def occupancy(threads, registers, shared):
    """The share of the 64 warps for which a multiprocessor of an H100 has room, that it can have of such blocks.

    From CUDA's cuda_occupancy.h for compute capability 9.0: a multiprocessor has room for 32 blocks and 228 KiB of shared
    memory, of which a block takes multiples of 128 bytes, and 1 KiB for the system; each of its four parts has 16384
    registers, of which a warp takes multiples of 256.
    """
    warps = -(-threads // 32)
    by_registers = 4 * (16384 // up(32 * registers, 256)) // warps
    by_shared = 228 * 1024 // up(shared + 1024, 128)
    return min(32, 64 // warps, by_registers, by_shared) * warps / 64


def up(n, unit):
    return -(-n // unit) * unit


# ---- writing


def occupancies(one):
    """Of a kernel in MEASURED, for float and double."""
    return [occupancy(one["threads"], registers, shared + one["dynamic"])
            for registers, shared in zip(one["registers"], one["shared"])]


def table(measured, mutants):
    """The lines of the table of kernels, and the reasons that it refers to."""
    lines = ["| kernel | compiled | simulated | mutants | registers | shared | threads | occupancy | bytes | least | |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"]
    topic = None
    for name, one in measured["kernels"].items():
        if one["topic"] != topic:
            topic = one["topic"]
            lines.append(f"| **{topic}.cu** | | | {shared_functions(measured, mutants, topic)} | | | | | | | |")
        cells = [f"`{name}`", f"{one['compiled']} of {len(ARCHS) * len(REALS)}", f"{one['calls']} x {ORDERS} x {len(REALS)}",
                 killed_of_made(mutants, f"{topic}.cu", [name]), both(one["registers"]),
                 both([n + one["dynamic"] for n in one["shared"]]), str(one["threads"]),
                 both([f"{share:.0%}" for share in occupancies(one)]), f"{one['asked']:.1f}", f"{one['least']:.1f}",
                 BECAUSE.get(name, "")]
        lines.append(f"| {' | '.join(cells)} |")
    reasons = [f"- **{mark}** {reason}" for mark, reason in WHY.items()]
    return [*lines, "", *[part for reason in reasons for part in textwrap.wrap(reason, 120, subsequent_indent="  ")]]


def shared_functions(measured, mutants, topic):
    """What became of the mutants of functions that are no kernels."""
    functions = [name for name in mutants[f"{topic}.cu"]["functions"] if name not in measured["kernels"]]
    return killed_of_made(mutants, f"{topic}.cu", functions) if functions else ""


def killed_of_made(mutants, file, functions):
    made = sum([mutants[file]["functions"].get(name, 0) for name in functions])
    survive = len([name for name, *_ in mutants[file]["survivors"] if name in functions])
    return f"{made - survive} of {made}"


def both(pair):
    """For float and double, or once where that is the same."""
    return f"{pair[0]}, {pair[1]}" if pair[0] != pair[1] else str(pair[0])


def beside(one):
    """The line that stands above a kernel."""
    share = occupancies(one)[0]
    return (f"// H100: {one['registers'][0]} registers, {share:.0%} occupancy; {one['asked']:.1f} bytes per number moved, "
            f"{one['least']:.1f} the least.\n")


def with_lines_beside(topic, measured):
    """A topic's file, with what was measured above each kernel."""
    text = BESIDE.sub("", (nvrtc.FOLDER / f"{topic}.cu").read_text())
    return DECLARED.sub(lambda match: beside(measured["kernels"][match[1]]) + match[0], text)


def moves_more(one):
    return one["asked"] > MORE * one["least"]


def rooflines():
    """The lines of the table of predictions."""
    headings, rows = roofline.table([roofline.predict(case) for case in NETWORKS])
    right = [heading not in ("network", "waits for") for heading in headings]
    lines = [headings, ["---:" if side else "---" for side in right], *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def page(measured, mutants):
    """docs/gpu.md with what was measured between its marks."""
    text = DOCS.read_text()
    parts = {"kernels": table(measured, mutants), "roofline": rooflines(), "mutants": gpu_mutants.table(mutants)}
    for name, lines in parts.items():
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda match, lines=lines: "\n".join(
            [match[1] + "", *lines, "", match[2]]), text, flags=re.S)
    return text


def main():
    measured, mutants = measure(), gpu_mutants.by_file(load(MUTANTS))
    save(MEASURED, measured)
    for topic in topics():
        (nvrtc.FOLDER / f"{topic}.cu").write_text(with_lines_beside(topic, measured))
    DOCS.write_text(page(measured, mutants))


if __name__ == "__main__":
    main()
