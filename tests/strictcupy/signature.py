"""Arguments that CuPy's functions do not take are a TypeError, as there."""
import functools
import inspect

from strictcupy.surface import SURFACE


def check(part, name, args, settings):
    """TypeError unless CuPy's function `name` of `part` takes these arguments."""
    wrong = verdict(part, name, len(args), tuple(settings))
    if wrong:
        raise TypeError(wrong)


@functools.cache
def verdict(part, name, n, keywords):
    parameters = SURFACE[part].get(name)
    if parameters is None:
        return None
    signature = inspect.signature(eval(f"lambda {parameters}: 0"))
    try:
        signature.bind(*[None] * n, **dict.fromkeys(keywords))
    except TypeError as error:
        return f"cupy's {name}({parameters}): {error}"
    return None
