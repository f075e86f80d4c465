"""Published accuracies are of networks that there are, and each is there once."""
from architectures import MODELS
from architectures.accuracies import FAMILIES, RESULTS


def test_every_result_is_of_a_network_with_its_data():
    images = {"MNIST": [(1, 32, 32)], "CIFAR-10": [(3, 32, 32)]}
    for result in RESULTS:
        shape = MODELS[result.network].input_shape
        assert shape in images[result.data] if result.data in images else shape[1] >= 224, result
        assert result.source


def test_no_network_was_tested_twice_in_one_way():
    keys = [(result.network, result.data, result.tested) for result in RESULTS]
    assert len(set(keys)) == len(keys)


def test_more_answers_are_right_more_often():
    """What is not among the first five is not the first, either; and ten crops are better than one."""
    errors = {(result.network, result.tested): (result.top1, result.top5) for result in RESULTS}
    assert all([top5 < top1 for top1, top5 in errors.values() if top1 and top5])
    both = [name for name, tested in errors if tested == "10 crops" and errors.get((name, "1 crop"), (None,))[0]]
    pairs = [(errors[name, "10 crops"][0], errors[name, "1 crop"][0]) for name in both]
    assert len(pairs) > 5 and all([ten < one for ten, one in pairs if ten])


def test_families_are_of_networks_with_results():
    there = {result.network for result in RESULTS}
    assert {name for family in FAMILIES for name in family} <= there
