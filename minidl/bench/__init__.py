"""How fast minidl is, beside PyTorch on the same cores: networks, convolutions, single ops, and growth.

    cases.py       what is trained, and in which ways PyTorch may do it
    step.py        one training step: the same lines for both
    processes.py   a fresh process for every measurement, with the same threads for all
    worker.py      what such a process does
    agreement.py   both compute the same, or nothing is timed
    networks.py    rounds of measurements, and what they come to
    growth.py      the same for batch after batch, depth after depth, ...
    curves.py      do networks learn alike with every algorithm?
    trainings.py   does every family learn, beside a linear softmax?
    roofline.py    what a step would take on a GPU, as a prediction
    launches.py    from the kernels that would be launched there
    report.py      medians, tables, files
"""
