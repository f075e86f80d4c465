"""One network at initialisation, one knob at a time: its gradient profile beside theory, on a page or in the terminal."""
