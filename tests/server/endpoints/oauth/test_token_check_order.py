"""The table of checks at /oauth/token is the order that is used: of two faults, the earlier row is answered."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.server.endpoints.oauth.test_token_checks import EVERY, FAULTS, ORDER, outcome_is, refused


@pytest.mark.parametrize("grant", FAULTS)
def test_of_two_faults_the_earlier_row_is_answered(grant: str) -> None:
    faults = sorted((*EVERY, *FAULTS[grant]), key=lambda fault: ORDER.index(fault.row))
    for earlier, later in combinations(faults, 2):
        if earlier.outcome == later.outcome or not earlier.goes_with(later):
            continue
        response = refused(grant, earlier, later)

        assert outcome_is(response, earlier.outcome), (earlier.row, later.row, response.body)
