"""Wrong specs through the doors of `perptape run FILE` and of the operator. More of them: `python -m bench fuzz`."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import specs
from fuzz.tally import Tally


@settings(max_examples=60)
@given(st.integers(0, 2**63))
def test_a_wrong_spec_is_taken_or_refused_with_the_path_of_the_field(seed: int) -> None:
    found = Tally()
    specs.one(Random(seed), found, seed)
    assert found.faults == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hundreds_of_wrong_specs_name_many_fields() -> None:
    found = Tally()
    for seed in range(500):
        specs.one(Random(seed), found, seed)
    assert found.faults == []
    assert {"file: refused", "file: taken", "operator: refused", "operator: taken"} == found.outcomes.keys()
    assert len(found.fields) > 30
