"""README tells the truth: its code runs, and prints what it says."""
import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_code_of_readme_runs_and_steps_as_it_says():
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec("\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL)), {})
    shown = [line.strip() for line in README.splitlines() if re.match(r"    \w+\(.*\) -> \[", line)]
    assert shown and printed.getvalue().splitlines()[-len(shown):] == shown


def test_the_files_that_readme_points_to_are_there():
    root = Path(__file__).parent.parent
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target
