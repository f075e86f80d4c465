"""What is timed: the networks with their batches, and the ways in which each engine may compute them."""
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Case:
    """A network of `architectures`, its options, and how many images it sees in one step.

    size : height and width of the images, if not the paper's
    """
    network: str
    batch: int
    options: dict = field(default_factory=dict)
    size: int | None = None

    @property
    def name(self):
        more = [f"{option}={value}" for option, value in self.options.items()]
        return " ".join([self.network, *more, *([f"{self.size}x{self.size}"] if self.size else []), f"b{self.batch}"])

    as_dict = asdict


NETWORKS = (
    Case("lenet5", 64),
    Case("resnet20", 128),
    Case("vgg16_cifar", 32),
    Case("mobilenet_v1", 8),
    Case("resnet18", 8),
    Case("alexnet", 16),
    Case("resnet50", 8),
    Case("vgg16", 4),
)


@dataclass(frozen=True)
class Setting:
    """An engine, and how it is told to work.

    channels_last : PyTorch keeps images as (N, H, W, C)
    keep_pages    : the C library gives freed memory to the next array and not back to the system
    fused         : PyTorch's optimizer makes one pass over the memory
    device        : "cpu" or "cuda"
    """
    engine: str
    channels_last: bool = False
    keep_pages: bool = False
    fused: bool = False
    device: str = "cpu"

    @property
    def name(self):
        how = [word for word, is_so in (("channels last", self.channels_last), ("pages kept", self.keep_pages),
                                        ("fused SGD", self.fused)) if is_so]
        return ", ".join([self.engine, *how])

    as_dict = asdict


MINIDL = Setting("minidl")
PYTORCH = tuple(Setting("PyTorch", channels_last, keep_pages, fused)         # the opponent is the best of these
                for keep_pages, fused in ((False, False), (True, False), (True, True))
                for channels_last in (False, True))
MINIDL_CUDA = Setting("minidl", device="cuda")
PYTORCH_CUDA = tuple(Setting("PyTorch", channels_last, fused=fused, device="cuda")
                     for fused in (False, True) for channels_last in (False, True))
