"""step: look at a backward pass, in whatever is at hand: a notebook, a terminal that can be filled, or its lines."""
import importlib.util
import sys


def step(loss, gradient=None, *, model=None):
    """`loss.backward()`, and then a stepper on what happened. Leaves collect their `.grad`, as always.

    model : gives parameters their names
    In a notebook the answer is a viewer, below the cell. In a terminal a program opens, which needs the extra
    `pip install "minidl[tui]"`; without it, or where the output is no terminal, it is stepped through line by line.
    """
    from minidl.trace.recording import of
    trace = of(loss, gradient, model=model)
    if "ipykernel" in sys.modules:
        from minidl.trace.widget import widget
        return widget(trace) if importlib.util.find_spec("anywidget") else trace
    open_stepper(trace)
    return None


def open_stepper(trace, lines=False, script=None, alarm=True):
    """The program that fills the terminal; or, with `lines` or without a terminal or textual, the line stepper.

    script : a file of commands for the line stepper
    alarm  : are faults told before anybody asks for them?
    """
    if not lines and not script and sys.stdin.isatty() and sys.stdout.isatty() and importlib.util.find_spec("textual"):
        from minidl.trace.tui import StepperApp
        StepperApp(trace, alarm).run()
    else:
        from minidl.trace.stepper import Stepper
        stepper = Stepper(trace, alarm=alarm)
        stepper.run_script(script) if script else stepper.run()
