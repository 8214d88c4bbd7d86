"""Times learned from real drives, judged on later ones: tests/bench/learn."""
import importlib.machinery
import importlib.util
import os
import tempfile

import pytest

from lib_common import TOP

RUN = os.path.join(TOP, "tests/bench/learn/run")


def load():
    loader = importlib.machinery.SourceFileLoader("bench_learn_run", RUN)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("city", ["chicago", "porto"])
def test_learned_times_are_nearer_than_the_profiles(city):
    with tempfile.TemporaryDirectory(prefix="patrol-test-") as temporary:
        result = getattr(load(), city)(temporary)
    if result is None:
        pytest.skip("skipped: no data")
    untrained, learned = result["untrained"], result["learned"]
    assert learned[0] < untrained[0] and learned[1] < untrained[1]
    assert 0.75 <= result["range"][0] <= 0.85
