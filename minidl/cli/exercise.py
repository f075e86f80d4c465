"""minidl exercise"""
from typing import Annotated

import typer

from minidl.cli.step import Lines, Script


def exercise(
    number: Annotated[int, typer.Argument(metavar="N", help="1 to 9; without it, all of them are listed.")] = None,
    hint: Annotated[int, typer.Option(metavar="1..3", help="A hint; each says more than the one before.")] = None,
    answer: Annotated[str, typer.Option(metavar="OP", help="Where does it go wrong? The number of a node, as 3, or the name "
                                        "of its op or module.")] = None,
    lines: Lines = False, script: Script = None,
):
    """Find the mistake: a small network whose backward pass is wrong somewhere, and the stepper to see where."""
    from minidl.trace import exercises
    from minidl.trace.front import open_stepper
    if number is None:
        for n, story in exercises.STORIES.items():
            print(f"{n}  {story}")
        print("\nminidl exercise 1 steps through the first; --hint 1 helps; --answer OP says whether that is it")
        return 0
    puzzle = exercises.exercise(number)
    if hint is not None:
        print(puzzle.hint(hint))
    elif answer is not None:
        right, text = puzzle.answer(answer)
        print(text)
        return 0 if right else 1
    else:
        print(f"{puzzle.story}\n")
        open_stepper(puzzle.trace, lines, script, alarm=False)
    return 0
