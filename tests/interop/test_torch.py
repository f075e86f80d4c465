"""Files of PyTorch's: weights in, weights out, and nothing run. Most files here are written byte by byte, without it."""
import io
import os
import pickle
import re
import sys
import zipfile
import zlib
from contextlib import suppress

import numpy as np
import pytest

import minidl
from architectures import MODELS, build
from minidl import nn
from minidl.interop import CheckpointError
from minidl.interop.torch import load, save, weights_for
from minidl.interop.torchvision import NAMES, today, torchvision_key

# Of each network in torchvision 0.28 that is one of ours: how many tensors its state dict has, and the CRC-32 of its
# lines "name shape", sorted.
TORCHVISION = {
    "alexnet_one_weird_trick": (16, 0xd7e72af7),
    "vgg11": (22, 0x4add68c0),
    "vgg13": (26, 0x24e5053c),
    "vgg16": (32, 0x25668151),
    "vgg19": (38, 0x9c88d8ef),
    "vgg11_bn": (62, 0xf00e1243),
    "vgg13_bn": (76, 0xba587956),
    "vgg16_bn": (97, 0xbcebf867),
    "vgg19_bn": (118, 0xe8f202e2),
    "resnet18": (122, 0xd0b0d317),
    "resnet34": (218, 0xb07bc276),
    "resnet50": (320, 0xb4155b6a),
    "resnet50_v1_5": (320, 0xb4155b6a),
    "resnet101": (626, 0xcb192e5b),
    "resnet152": (932, 0xe8b46b2a),
    "resnext50_32x4d": (320, 0xf7305cb7),
    "resnext101_32x8d": (626, 0x2015a343),
    "wide_resnet50_2": (320, 0x951459c4),
    "densenet121": (727, 0xc757f034),
    "densenet161": (967, 0xb89d4dcd),
    "densenet169": (1015, 0x25ab8502),
    "densenet201": (1207, 0xca092710),
    "mobilenet_v2": (314, 0xd467c050),
    "shufflenet_v2": (338, 0xae4f3906),
    "efficientnet_b0": (360, 0x8a6105b8),
    "efficientnet_b1": (508, 0xe79ad904),
    "efficientnet_b2": (508, 0x312308e4),
    "efficientnet_b3": (574, 0x9f3a5972),
    "efficientnet_b4": (706, 0xf915c045),
    "efficientnet_b5": (854, 0x358a2800),
    "efficientnet_b6": (986, 0x67e22381),
    "efficientnet_b7": (1200, 0x82acf538),
}


# ---- names


def names_and_shapes(name):
    with minidl.device("meta"):
        model = build(name)
    return {torchvision_key(model, key): tuple(x.shape) for key, x in model.state_dict().items()}


@pytest.mark.parametrize("name", [name for name in TORCHVISION if name in MODELS])
def test_names_and_shapes_are_torchvisions(name):
    lines = sorted([f"{key} {shape}" for key, shape in names_and_shapes(name).items()])
    assert (len(lines), zlib.crc32("\n".join(lines).encode())) == TORCHVISION[name], lines


@pytest.mark.parametrize("name, key, shape", [
    ("resnet50_v1_5", "layer2.0.downsample.1.running_var", (512,)),
    ("mobilenet_v2", "features.17.conv.0.1.num_batches_tracked", ()),
    ("mobilenet_v2", "features.1.conv.0.0.weight", (32, 1, 3, 3)),
    ("mobilenet_v2", "classifier.1.weight", (1000, 1280)),
    ("vgg16_bn", "features.41.weight", (512,)),
])
def test_some_names_that_anybody_can_look_up(name, key, shape):
    assert names_and_shapes(name)[key] == shape


def test_every_row_of_the_table_of_names_is_needed(monkeypatch):
    """Without it, keys are other ones."""
    for kind, rows in NAMES.items():
        networks = [name for name in TORCHVISION if name in MODELS and kind in classes(name)]
        for row in rows:
            with monkeypatch.context() as patch:
                patch.setitem(NAMES, kind, {ours: theirs for ours, theirs in rows.items() if ours != row})
                without = {name: names_and_shapes(name) for name in networks}
            assert any([names_and_shapes(name) != without[name] for name in networks]), (kind, row)


def classes(name):
    with minidl.device("meta"):
        return [kind.__name__ for kind in type(build(name)).__mro__]


def test_names_in_published_files_of_densenet_are_brought_up_to_date(tmp_path):
    """As torchvision itself does, whose files are older than its rule against dots in names."""
    from safetensors.numpy import save_file
    model = nn.Sequential()
    model.add_module("denselayer1", nn.Sequential())
    model.denselayer1.add_module("conv2", nn.Conv2d(1, 1, 1, bias=False))
    save_file({"denselayer1.conv.2.weight": np.full((1, 1, 1, 1), 5, "f4")}, tmp_path / "x")
    load(model, tmp_path / "x")
    assert model.denselayer1.conv2.weight.item() == 5
    assert today("features.denseblock1.denselayer12.norm.2.weight") == "features.denseblock1.denselayer12.norm2.weight"
    assert today("features.1.conv.1.weight") == "features.1.conv.1.weight"


# ---- files made by hand, as torch.save makes them


class Tensor:
    """Numbers of a storage: what stands in a pickle for a tensor."""

    def __init__(self, key, dtype, size, shape, stride, offset=0):
        self.key, self.dtype, self.size, self.shape, self.stride, self.offset = key, dtype, size, shape, stride, offset

    def pickled(self):
        storage = b"(" + text("storage") + f"ctorch\n{self.dtype}Storage\n".encode() + text(self.key) + text("cpu")
        storage += number(self.size) + b"tQ"
        hooks = b"\x89ccollections\nOrderedDict\n)R"
        return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(self.offset) + numbers(self.shape)
                + numbers(self.stride) + hooks + b"tR")


def text(string): return b"X" + len(string).to_bytes(4, "little") + string.encode()
def number(n): return b"J" + n.to_bytes(4, "little", signed=True) if n < 1 << 31 else b"\x8a\x08" + n.to_bytes(8, "little")
def numbers(ns): return b"(" + b"".join(map(number, ns)) + b"t"


def pickled(state):
    """An OrderedDict, and its attribute _metadata."""
    items = b"".join([text(key) + (x.pickled() if isinstance(x, Tensor) else x) for key, x in state.items()])
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u}" + text("_metadata") + b"}sb."


def zip_file(path, program, storages, order="little"):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/byteorder", order)
        for key, content in storages.items():
            file.writestr(f"archive/data/{key}", content)
        file.writestr("archive/version", "3\n")


def legacy_file(path, program, storages, items):
    """`items` are the numbers in each storage."""
    content = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03." + pickle.dumps({"little_endian": True}, 2)
    content += program + pickle.dumps(list(storages), 2)
    for key, bytes_ in storages.items():
        content += items[key].to_bytes(8, "little") + bytes_
    path.write_bytes(content)


def model_and_files(folder):
    """A small model, and what its state dict becomes in a .pt, an old .pt and a .safetensors."""
    from safetensors.numpy import save_file
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    state = {key: rng.integers(-50, 50, x.shape).astype(x.numpy().dtype) for key, x in model.state_dict().items()}
    kinds = {np.dtype(np.float32): "Float", np.dtype(np.int64): "Long"}
    tensors = {key: Tensor(str(i), kinds[x.dtype], x.size, x.shape, [step // x.itemsize for step in x.strides])
               for i, (key, x) in enumerate(state.items())}
    storages = {tensors[key].key: x.tobytes() for key, x in state.items()}
    zip_file(folder / "a.pt", pickled(tensors), storages)
    legacy_file(folder / "old.pt", pickled(tensors), storages, {tensors[key].key: x.size for key, x in state.items()})
    save_file(state, folder / "a.safetensors")
    return model, state, [folder / "a.pt", folder / "old.pt", folder / "a.safetensors"]


def is_untouched(model, before):
    return all([np.array_equal(x.numpy(), before[key]) for key, x in model.state_dict().items()])


def copied(model):
    return {key: x.numpy().copy() for key, x in model.state_dict().items()}


def test_all_three_formats_are_read_without_pytorch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)                    # an ImportError for whoever imports it
    model, state, files = model_and_files(tmp_path)
    for path in files:
        for x in model.state_dict().values():
            x.fill_(7)
        load(model, path)
        for key, x in model.state_dict().items():
            np.testing.assert_array_equal(x.numpy(), state[key], err_msg=f"{path.name}: {key}")


class Holder(nn.Module):
    """Buffers of given shapes, for files to be read into."""

    def __init__(self, **shapes):
        super().__init__()
        for name, shape in shapes.items():
            self.register_buffer(name, minidl.zeros(shape))


def test_views_of_a_shared_storage_are_the_elements_that_they_were(tmp_path):
    """Numbers 0 to 11; strides and offsets worked out by hand."""
    model = Holder(whole=(3, 4), transposed=(4, 3), column=(3,), repeated=(2, 2), none=(0, 2), single=(),
                   alone=(2, 1))
    tensors = {"whole": ((3, 4), (4, 1), 0), "transposed": ((4, 3), (1, 4), 0), "column": ((3,), (4,), 2),
               "repeated": ((2, 2), (0, 1), 5), "none": ((0, 2), (2, 1), 0), "single": ((), (), 11),
               "alone": ((2, 1), (3, 1 << 62), 1)}                     # no step is made along an axis of length 1
    state = {key: Tensor("0", "Float", 12, *how) for key, how in tensors.items()}
    zip_file(tmp_path / "a.pt", pickled(state), {"0": np.arange(12, dtype="<f4").tobytes()})
    load(model, tmp_path / "a.pt")
    assert model.whole.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert model.transposed.tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]
    assert model.column.tolist() == [2, 6, 10] and model.repeated.tolist() == [[5, 6], [5, 6]]
    assert model.single.item() == 11 and model.alone.tolist() == [[1], [4]]


@pytest.mark.parametrize("order, storages", [
    ("little", {"h": "003e00c0", "b": "c03f00c0", "d": "000000000000f83f00000000000000c0"}),
    ("big", {"h": "3e00c000", "b": "3fc0c000", "d": "3ff8000000000000c000000000000000"})])
def test_other_numbers_become_float32_in_either_order_of_bytes(tmp_path, order, storages):
    """1.5 and -2 in float16, bfloat16 and float64, by IEEE 754."""
    model = Holder(h=(2,), b=(2,), d=(2,))
    kinds = {"h": "Half", "b": "BFloat16", "d": "Double"}
    state = {key: Tensor(key, kind, 2, (2,), (1,)) for key, kind in kinds.items()}
    zip_file(tmp_path / "a.pt", pickled(state), {key: bytes.fromhex(x) for key, x in storages.items()}, order)
    load(model, tmp_path / "a.pt")
    for x in model.buffers():
        assert x.tolist() == [1.5, -2] and x.dtype == minidl.float32


def test_safetensors_of_half_and_bfloat16_become_float32(tmp_path):
    model = Holder(h=(2,), b=(2,))
    header = (b'{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},'
              b'"b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}}')
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header + bytes.fromhex("003e00c0c03f00c0"))
    load(model, tmp_path / "x")
    assert model.h.tolist() == model.b.tolist() == [1.5, -2] and model.b.dtype == minidl.float32


def test_a_file_from_before_batch_norm_counted_its_batches_is_enough(tmp_path):
    from safetensors.numpy import save_file
    model = nn.BatchNorm2d(2)
    save_file({key: np.full(2, 3, "f4") for key in ("weight", "bias", "running_mean", "running_var")}, tmp_path / "x")
    load(model, tmp_path / "x")
    assert model.running_var.tolist() == [3, 3] and model.num_batches_tracked.item() == 0


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vgg11_bn"])
def test_what_save_wrote_load_reads_under_torchvisions_names(tmp_path, name):
    from safetensors import safe_open
    first, second = (with_few_channels(name) for _ in range(2))
    save(first, tmp_path / "x.safetensors")
    with safe_open(tmp_path / "x.safetensors", "np") as file:
        assert set(file.keys()) == set(names_and_shapes(name)) and file.metadata() == {"format": "pt"}
    load(second, tmp_path / "x.safetensors")
    assert is_untouched(second, copied(first))
    assert os.listdir(tmp_path) == ["x.safetensors"]


def with_few_channels(name):
    from architectures import mobilenet, resnet, vgg
    if name == "mobilenet_v2":
        return mobilenet.MobileNetV2(mobilenet.V2_TABLE_2, 5, width=0.1, last_channels=8)
    if name == "resnet18":
        return resnet.ResNet(resnet.BasicBlock, (2, 2, 2, 2), 5, width=2)
    return vgg.BatchNormVGG(re.sub(r"-(\d+)", "-2", vgg.TABLE_1["A"]), 5, image_size=32, hidden=4)


# ---- what does not fit


@pytest.mark.parametrize("change, said", [
    (lambda state: state | {"0.weight": np.zeros((3, 2, 5, 5), "f4")},
     "does not fit Sequential: 0.weight has shape (3, 2, 5, 5) in the file and (3, 2, 3, 3) in the network"),
    (lambda state: {key: x for key, x in state.items() if key != "1.bias"},
     "does not fit Sequential: the file lacks 1.bias (3,)"),
    (lambda state: state | {"2.weight": np.zeros((4, 3), "f4")},
     "does not fit Sequential: the network has no 2.weight (4, 3)"),
    (lambda state: {f"module.{key}": x for key, x in state.items()},
     "the file lacks 0.weight (3, 2, 3, 3), 0.bias (3,), 1.weight (3,) and 3 more; "
     "the network has no module.0.bias (3,), module.0.weight (3, 2, 3, 3), module.1.bias (3,) and 4 more"),
])
def test_a_state_dict_that_does_not_fit_is_a_sentence_with_names_and_shapes(tmp_path, change, said):
    from safetensors.numpy import save_file
    model, state, _ = model_and_files(tmp_path)
    before = copied(model)
    save_file(change(state), tmp_path / "x")
    with pytest.raises(CheckpointError) as error:
        load(model, tmp_path / "x")
    assert said in str(error.value) and "\n" not in str(error.value)
    assert is_untouched(model, before)


def test_a_layer_is_called_what_the_file_calls_it(tmp_path):
    small = with_few_channels("mobilenet_v2")
    save(small, tmp_path / "x")
    with pytest.raises(CheckpointError, match=r"features.0.0.weight has shape \(8, 3, 3, 3\) in the file and \(32, 3"):
        load(build("mobilenet_v2"), tmp_path / "x")


# ---- what is broken, or means harm


def test_a_file_cut_off_anywhere_is_one_sentence_and_changes_nothing(tmp_path):
    model, _, files = model_and_files(tmp_path)
    before = copied(model)
    for path in files:
        content = path.read_bytes()
        for n in range(0, len(content), 11):
            (tmp_path / "x").write_bytes(content[:n])
            with pytest.raises(CheckpointError, match="x: "):
                load(model, tmp_path / "x")
        assert is_untouched(model, before)


def test_a_changed_byte_is_never_more_than_a_sentence_and_in_a_zip_never_another_number(tmp_path):
    model, state, (zipped, *others) = model_and_files(tmp_path)
    for path in zipped, *others:
        content = path.read_bytes()
        for place in range(0, len(content), 7):
            damaged = bytearray(content)
            damaged[place] ^= 0x55
            (tmp_path / "x").write_bytes(damaged)
            with suppress(CheckpointError):
                load(model, tmp_path / "x")
                assert path != zipped or is_untouched(model, state), place


def program(action):
    """Python's own pickle runs it as soon as it is loaded."""
    class Harm:
        def __reduce__(self):
            return action
    return [pickle.dumps(Harm(), protocol)[:-1].removeprefix(b"\x80\x02") for protocol in (0, 2)]


HARM = "echo > {}/harm"


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("how", range(6))
def test_a_pickle_that_would_run_a_command_is_refused(tmp_path, old, how):
    command = HARM.format(tmp_path)
    programs = [*program((os.system, (command,))), *program((eval, (f"__import__('os').system({command!r})",))),
                b"(" + text(command) + b"iposix\nsystem\n",                           # INST
                text("posix") + text("system") + b"\x93" + text(command) + b"\x85R"]  # STACK_GLOBAL
    state = b"\x80\x02}" + text("weight") + programs[how] + b"s."
    pickle.loads(state)
    assert (tmp_path / "harm").is_file()                                              # that is what pickles can do
    os.unlink(tmp_path / "harm")
    if old:
        legacy_file(tmp_path / "x", state, {}, {})
    else:
        zip_file(tmp_path / "x", state, {})
    with pytest.raises(CheckpointError, match="names posix.system|names __builtin__.eval|instruction INST"):
        load(nn.Linear(1, 1), tmp_path / "x")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("value, said", [
    (b"}", "more than tensors by name: 'a' is none; torch.save(model.state_dict(), path)"),
    (b"K\x01", "'a' is none"),
    (b"ctorchvision.models.resnet\nResNet\n)\x81", "names torchvision.models.resnet.ResNet, and only tensors"),
    (Tensor("0", "Float", 4, (2, 3), (3, 1)), "ends at number 5 of 4"),
    (Tensor("0", "Float", 4, (2,), (1,), offset=-1), "a tensor has a storage, an offset"),
    (Tensor("0", "Float", 9, (2,), (1,)), "storage 0 should have 9 numbers, and there are 4"),
    (Tensor("1", "Float", 4, (2,), (1,)), "a part of one is missing"),
    (Tensor("0", "ComplexFloat", 2, (2,), (1,)), "names torch.ComplexFloatStorage"),
    (b"h\x05", "makes no sense (KeyError"), (b"0", "instruction POP"), (b"ctorch\nFloatStorage\n)R", "makes no sense"),
    (b"})K\x01s", "a key that is neither a string nor a number"),
    (b"ccollections\nOrderedDict\nctorch\nFloatStorage\n\x85R", "makes no sense"),
])
def test_what_is_no_state_dict_is_one_sentence(tmp_path, value, said):
    zip_file(tmp_path / "x", pickled({"a": value}), {"0": bytes(16)})
    with pytest.raises(CheckpointError) as error:
        load(Holder(a=(2, 3)), tmp_path / "x")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_other_files_are_one_sentence(tmp_path):
    model = nn.Linear(1, 1)
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load(model, tmp_path / "nothing")
    (tmp_path / "x").write_bytes(b"epoch,loss\n")
    with pytest.raises(CheckpointError, match="no file of torch.save or safetensors"):
        load(model, tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x", "w") as file:
        file.writestr("picture.png", b"")
    with pytest.raises(CheckpointError, match="not one that torch.save wrote"):
        load(model, tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x", "w", zipfile.ZIP_DEFLATED) as file:            # a bomb may be in it
        file.writestr("a/data.pkl", pickled({"weight": Tensor("0", "Float", 1, (1, 1), (1, 1))}))
        file.writestr("a/data/0", bytes(1 << 20))
    with pytest.raises(CheckpointError, match="compressed"):
        load(model, tmp_path / "x")


def test_a_zip_of_other_models_is_not_half_loaded(tmp_path):
    """One damaged number in the last tensor, after all the others were read."""
    model, _, (path, *_) = model_and_files(tmp_path)
    before = copied(model)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        last = [entry for entry in file.infolist() if "/data/" in entry.filename][-1]
    content[last.header_offset + 30 + len(last.filename)] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load(model, path)
    assert is_untouched(model, before)


# ---- PyTorch's own files


@pytest.mark.parity
@pytest.mark.parametrize("new", [True, False])
def test_what_torch_save_writes_is_read(tmp_path, new):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    base = torch.randn(4, 6)
    state = {"whole": base, "transposed": base.T, "part": base[1:3, ::2], "expanded": base[0].expand(3, 6),
             "float16": base.half(), "bfloat16": base.bfloat16(), "float64": base.double(),
             "parameter": torch.nn.Parameter(base), "none": base[:0], "single": base[2, 3],
             "integers": torch.arange(5), "signs": base > 0}
    torch.save(state, tmp_path / "x.pt", _use_new_zipfile_serialization=new)
    model = Holder(**{key: tuple(x.shape) for key, x in state.items()})
    load(model, tmp_path / "x.pt")
    for key, x in model.named_buffers():
        np.testing.assert_array_equal(x.numpy(), state[key].detach().float().numpy(), err_msg=key)


@pytest.mark.parity
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_pytorch_reads_what_save_writes_and_the_way_back(tmp_path, name):
    torch = pytest.importorskip("torch")
    import safetensors.torch
    model = with_few_channels(name)
    save(model, tmp_path / "x.safetensors")
    theirs = safetensors.torch.load_file(tmp_path / "x.safetensors")
    for key, x in model.state_dict().items():
        np.testing.assert_array_equal(theirs[torchvision_key(model, key)].numpy(), x.numpy())
    torch.save({key: x + 1 for key, x in theirs.items()}, tmp_path / "x.pt")
    before = copied(model)
    load(model, tmp_path / "x.pt")
    assert is_untouched(model, {key: x + 1 for key, x in before.items()})


@pytest.mark.parametrize("write", [save, lambda model, path: minidl.interop.save(model.state_dict(), path)])
def test_weights_are_found_by_the_names_of_the_network_whoever_named_them(tmp_path, write):
    """A ResNet's shortcuts are called otherwise in torchvision."""
    from architectures.resnet import BasicBlock, ResNet
    model = ResNet(BasicBlock, (1, 1, 1, 1), 5, width=2)
    write(model, tmp_path / "file.safetensors")
    found = weights_for(ResNet(BasicBlock, (1, 1, 1, 1), 3, width=2), tmp_path / "file.safetensors")
    assert found.keys() == model.state_dict().keys() and any(["shortcut" in key for key in found])
    for key, x in model.state_dict().items():
        np.testing.assert_array_equal(found[key], x.numpy())
