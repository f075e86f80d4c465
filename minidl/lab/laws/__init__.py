"""Every law of gradient flow as an object: a prediction, a measurement on networks, a tolerance, and so a verdict.

    plain.py  normalized.py  residual.py  reflected.py  paths.py  shattering.py  spectra.py  finite.py  exact.py
                    the laws, by the topics of `minidl.lab.theory`
    law.py          what a law is
    measure.py      networks with their signals and gradients, which all laws look at
    run.py          running laws, and what came out
    pictures.py     a picture of each
"""
from minidl.lab.laws import exact, finite, normalized, paths, plain, reflected, residual, shattering, spectra
from minidl.lab.laws.law import Law, Sample, Tolerance

LAWS = {law.name: law for module in (plain, spectra, finite, normalized, residual, reflected, paths, shattering, exact)
        for law in module.LAWS}


def find(names):
    """The laws of these names, all of them without names; a name may be the beginning of several."""
    chosen = {}
    for name in names or [""]:
        found = {known: law for known, law in LAWS.items() if known.startswith(name)}
        if not found:
            raise ValueError(f"lab laws: there is no law {name!r}; there are {', '.join(LAWS)}")
        chosen |= {name: LAWS[name]} if name in LAWS else found
    return list(chosen.values())
