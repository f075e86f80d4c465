"""The command `minidl`: what goes wrong is one line and exit status 2."""
import errno
import os
import sys
import warnings

# What a person can get wrong arrives as one of these, with a sentence. Anything else is a mistake in minidl.
EXPECTED = (ValueError, TypeError, RuntimeError, ArithmeticError, OSError, MemoryError)


def main(args=None):
    """Run the command line `args` (default: this process's) and return its exit status."""
    args = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in args
    args = [arg for arg in args if arg != "--debug"]
    from minidl.cli.app import app
    try:
        warnings.simplefilter("ignore", RuntimeWarning)       # NumPy's, of overflow; the loss will tell
        return app(args, prog_name="minidl", standalone_mode=False) or 0
    except KeyboardInterrupt:
        print("minidl: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:                       # `minidl data list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        sentence, status = answer(error)
        print(f"minidl: {sentence}", file=sys.stderr)
        return status


def answer(error):
    """The one line for an error, and the exit status."""
    if hasattr(error, "format_message"):          # the command line itself: an unknown option
        return one_line(error.format_message()), 2
    if isinstance(error, OSError) and error.errno:
        what = "no space is left on the disk" if error.errno == errno.ENOSPC else error.strerror
        return one_line(f"{error.filename}: {what}" if error.filename else what), 2
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", []))
    if isinstance(error, EXPECTED) or isinstance(error, ImportError):
        return one_line(f"{error or type(error).__name__}{notes}"), 2
    return one_line(f"{type(error).__name__}: {error}{notes}; a mistake in minidl, --debug shows where"), 1


def one_line(text):
    return " ".join(str(text).split())
