"""Words of the page that depend on no figure."""

from typing import Final

INTRODUCTION: Final = """\
# How right the maps are

Written by `make accuracy DATA=FOLDER`; edit nothing here.

**What is predicted.** USD liquidated in one hour, longs and shorts apart, given the path of price
in that hour: what a map held between the hour's extremes. A map says where levels are, not where
price goes, so it is scored on the prices that traded. **What is realised.** Liquidations that
venues published. Binance and OKX publish one order a second at most, so the figures are lower
bounds of what happened, and a model is fitted to what is published, not to what happened.

**Equal terms.** Every model gets the same three terms before it is compared: a constant, a term in
the squared move against its side (from the close before, and within the hour), and the *capture*,
realised over predicted USD of the hours before (720 or 168). What is then left between two models
is what their levels know. A model fits on hours that its test never sees. Figures are D2, the share
of Poisson deviance removed from that of the training mean: 0 is as good as a constant, 1 is
perfect. Brackets are 95 % intervals, blocks of three days resampled.
"""

PICTURES: Final = """\
![Deviance removed beyond other models](accuracy/gain_by_null.svg)

![Realised against predicted](accuracy/reliability.svg)

![Predicted over realised by month](accuracy/ratio_by_month.svg)
"""

CLAIMS: Final = """\
## What may be said, and what may not

- May: what the verdict says of hours that no fit saw, with its intervals, given where price went.
- May: nearness to prices not visited lately explains most of what any map gets right.
- May not: that a map says where open interest sits. Nothing here shows it.
- May not: that price is drawn to a level, or goes anywhere. Every figure is conditional on the
  path.
- May not: that USD of a map is what would be liquidated. It is what would be *published* by the
  feeds it was fitted to, half of which are throttled.
- May not: that a part of a map with no level is on it. The move term and the constant are on no
  level; tables carry them as rows of their own.
"""

METHOD: Final = """\
## How to make this page again

    make accuracy DATA=FOLDER
    python -m bench.accuracy --data FOLDER --out FOLDER \\
        [--fit-until DATE] [--test-from DATE] [--test-until DATE]

The folder is laid out as `market_1h/`, `calibration/` and `binance_dumps/`; longer files and more
of them are read the same way. Without dates the last 31 days are tested, and the other way round.
The first command also writes `transforms/ledger/shipped_fits.json`.

- **Bars**: Binance's archive first, then hourly tables of it, then Bybit's bars with volume scaled
  to Binance's, then prices without volume (filled from the range). Four coins use Bybit's bars.
- **Holes**: models run from the first bar on (June 2024), through months that are missing. Levels
  that price passed in a hole leave the map and count in no hour; the hour after a hole is in no fit
  and no score. What decays, decays by the clock. Leverage estimators start where Binance's open
  interest does (December 2025), spread over the volume before; hours without it for more than a
  day have no figure.
- **Left out**: hours next to holes, and hours in which the feeds showed exactly nothing on either
  side (nine of BTC, mostly at 01:00 and 13:00).
- **Scope**: a fit on fewer than 90 days with figures is short. Bybit's open interest counts both
  sides and is halved.
"""

EARLIER: Final = (
    ("path_ledger", ".833 / .857", ".863 / .861"),
    ("volume_ledger", ".840 / .862", ".866 / .869"),
    ("public_convention", ".765 / .761", ".822 / .831"),
    ("turnover", ".685 / .668", ".794 / .836"),
    ("open_interest", ".706 / .666", ".788 / .811"),
    ("path_only", ".655 / .544", ".771 / .802"),
)
"""D2 without capture and with that of a week, of a study on half a year of the same feed."""
