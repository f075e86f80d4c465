"""Results on the disk: a JSON file for every task, so that what was computed once is not computed again."""
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from minidl.utils.data.files import replacing


class Store:
    """A folder of results. A task is a dataclass; its file is named after its settings, and repeats them.

    Files come into place when they are whole, so that a run that was stopped leaves nothing half-written.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def path(self, task):
        digest = hashlib.sha256(json.dumps(described(task), sort_keys=True).encode()).hexdigest()
        return self.folder / f"{type(task).__name__.lower()}-{digest[:16]}.json"

    def get(self, task):
        """The result of a task, a dict, or None where there is none yet."""
        path = self.path(task)
        if not path.is_file():
            return None
        try:
            held = json.loads(path.read_text())
            if held["task"] == described(task):
                return held["result"]
        except (ValueError, KeyError, TypeError):
            pass
        raise ValueError(f"{path}: does not hold the result of the task that it is named after; delete it, and it will "
                         "be computed again")

    def put(self, task, result):
        with replacing(self.path(task)) as file:
            file.write(json.dumps({"task": described(task), "result": result}).encode())


def described(task):
    """The settings of a task as JSON gives them back."""
    return json.loads(json.dumps({"do": type(task).__name__} | asdict(task)))
