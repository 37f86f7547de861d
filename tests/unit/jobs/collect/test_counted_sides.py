"""Odd lots show whether a venue counts one side of open interest or both."""

import pytest
from standin import DAY, HOUR, Faults, Standin, serving, synthetic_market
from workbench.altered import put
from workbench.live import instant

from jobs.collect import doctor
from jobs.collect.scope import Effort
from jobs.settings import Settings
from sources.venues.pacer import RequestPolicy

START = 1_772_323_200_000  # 2026-03-01
ONCE = RequestPolicy(attempts=1, concurrency=1)


@pytest.mark.usefixtures("without_pacing")
def test_sides_are_seen_in_one_answer_of_many_contracts(tmp_path):
    """MEXC has no history of open interest: the figures of all contracts are counted together."""
    market = synthetic_market(
        start=START,
        end=START + DAY,
        venues=("mexc",),
        assets={"BTC": 70_000.0} | {f"C{chr(65 + n)}": 10.0 + n for n in range(26)}
        | {f"D{chr(65 + n)}": 40.0 + n for n in range(26)},
    )  # fmt: skip
    mexc = Standin(market, now=START + 23 * HOUR, faults=Faults(seed=0), enforce_limits=False)

    def sides():
        report = doctor.run_doctor(
            Settings(home=tmp_path, venue_url=mexc.base_url),
            clock=lambda: instant(mexc.now),
            venues=("mexc",),
            effort=Effort(policy=ONCE),
        )
        return next(one for one in report.examined if one.kind == "sides of open interest")

    with serving(mexc):
        sound = sides()
        assert (sound.status, sound.differences) == ("fits", ())
        assert "53 figures" in sound.reason
        assert "which shows one side counted" in sound.reason
        alter = put("holdVol", lambda contracts: 2 * contracts)
        mexc.faults.add("altered", venue="mexc", endpoint="tickers", alter=alter)
        wrong = sides()
        assert wrong.status == "differs"
        assert "0% of 53 figures" in wrong.differences[0].found
        assert wrong.differences[0].declared == "sides_counted 1"
