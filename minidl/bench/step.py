"""One training step, the same lines for minidl and PyTorch: `lib` is either, as they have the same vocabulary."""
import numpy as np


def library(engine, threads=None):
    """The module of an engine, which will work on so many threads.

    On a GPU, PyTorch tries its convolutions' algorithms, and takes the fastest; but float32 is float32, as minidl's is.
    """
    if engine == "PyTorch":
        import torch
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, False
        if threads:
            torch.set_num_threads(threads)
        return torch
    import numba  # noqa: F401, a part of minidl's import that waits until a kernel is called

    import minidl
    return minidl


def network(case, engine):
    """The network of a Case with fresh weights."""
    import architectures
    builder = architectures.find(case.network).builder
    if engine == "PyTorch":
        from minidl.interop.pytorch import in_pytorch
        builder = in_pytorch(builder)
    return builder(**case.options)


def input_shape(case):
    """(C, H, W) of a Case's images"""
    import architectures
    channels, *size = architectures.find(case.network).input_shape
    return (channels, *([case.size] * len(size) if case.size else size))


def batch(case):
    """Images (N, C, H, W), float32, and labels (N,), int64, as arrays: always the same."""
    import architectures
    rng = np.random.default_rng(0)
    classes = {**architectures.find(case.network).options, **case.options}["num_classes"]
    images = rng.standard_normal((case.batch, *input_shape(case)), np.float32)
    return images, rng.integers(0, classes, case.batch)


def loss_of(lib, model, images, labels):
    return lib.nn.functional.cross_entropy(model(images), labels)


def training_step(lib, model, optimizer, images, labels):
    """Forward, loss, backward, update; returns the loss."""
    optimizer.zero_grad()
    loss = loss_of(lib, model, images, labels)
    loss.backward()
    optimizer.step()
    return loss


def prepared(case, setting):
    """A function that makes training steps, one or as many as it is told; it answers with the last loss, a number.

    A GPU is waited for only then, when all has been computed.
    """
    lib = library(setting.engine)
    lib.manual_seed(0)
    model = network(case, setting.engine).to(setting.device)
    images, labels = (lib.from_numpy(x).to(setting.device) for x in batch(case))
    if setting.channels_last:
        model, images = (x.to(memory_format=lib.channels_last) for x in (model, images))
    optimizer = lib.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, **({"fused": True} if setting.fused else {}))

    def step(count=1):
        for _ in range(count):
            loss = training_step(lib, model, optimizer, images, labels)
        return loss.item()
    return step


def pool(engine):
    """Bytes of a GPU's memory that an engine has taken for its arrays: those in use, and those it keeps for the next."""
    if engine == "PyTorch":
        import torch
        return torch.cuda.memory_reserved()
    import cupy
    return cupy.get_default_memory_pool().total_bytes()
