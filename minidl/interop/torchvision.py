"""What torchvision calls the layers that have another name here: the one table of names."""
import re

# For each class of networks: the beginning of a key here, and of the same key there. {i} is any number, {i+1} the next
# one. A network that is not in the table has torchvision's names.
NAMES = {
    "ResNet": {
        "layer{i}.{j}.shortcut.": "layer{i}.{j}.downsample.",
    },
    "MobileNetV2": {
        "conv1.":                 "features.0.",
        "blocks.0.depthwise.":    "features.1.conv.0.",         # the first block expands nothing
        "blocks.0.project.":      "features.1.conv.1.",
        "blocks.0.bn.":           "features.1.conv.2.",
        "blocks.{i}.expand.":     "features.{i+1}.conv.0.",
        "blocks.{i}.depthwise.":  "features.{i+1}.conv.1.",
        "blocks.{i}.project.":    "features.{i+1}.conv.2.",
        "blocks.{i}.bn.":         "features.{i+1}.conv.3.",
        "conv2.":                 "features.18.",
        "fc.":                    "classifier.1.",
    },
}

# What stands in the files of weights that torchvision has published is sometimes older than its names.
OLD_NAMES = {
    "denselayer{i}.norm.{j}.": "denselayer{i}.norm{j}.",
    "denselayer{i}.conv.{j}.": "denselayer{i}.conv{j}.",
}


def torchvision_key(model, key):
    """The name in torchvision of the tensor `key` of the network's state dict."""
    for kind in type(model).__mro__:
        for ours, theirs in NAMES.get(kind.__name__, {}).items():
            if match := re.match(pattern(ours), key):
                return filled(theirs, match) + key[match.end():]
    return key


def today(key):
    """A key in a file of torchvision's as torchvision calls it now."""
    for old, new in OLD_NAMES.items():
        key = re.sub(pattern(old), lambda match, new=new: filled(new, match), key)
    return key


def pattern(template):
    """A template as a regular expression: {i} is a group named i, of digits."""
    return re.sub(r"\\\{(\w)\\\}", r"(?P<\1>\\d+)", re.escape(template))


def filled(template, match):
    """A template with the numbers that were matched."""
    numbers = {letter: int(digits) for letter, digits in match.groupdict().items()}
    return re.sub(r"\{(\w)(\+1)?\}", lambda place: str(numbers[place[1]] + (place[2] is not None)), template)
