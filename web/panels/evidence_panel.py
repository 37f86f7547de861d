"""The panel *evidence*: how far the map of a view can be trusted, in its sentences.

Belongs here: the badge of the grade, the warning and the sentences. Does not belong here: their
words (``plots.evidence``, ``plots.warning``).
"""

from dataclasses import dataclass

from plots.evidence import evidence_sentences, read_evidence
from plots.warning import MapWarning, read_warning
from web.panels.panel_input import PanelInput


@dataclass(frozen=True, slots=True)
class EvidencePanel:
    """What the panel shows.

    Parameters
    ----------
    asset, grade : str
        The asset and its grade; empty without one.
    warning : MapWarning or None
        Why the map is not fit to act on.
    sentences : tuple of str
        How far it can be trusted, those that always apply first.
    missing : str
        Why there are none, empty where there are.
    """

    asset: str
    grade: str = ""
    warning: MapWarning | None = None
    sentences: tuple[str, ...] = ()
    missing: str = ""


def read_evidence_panel(given: PanelInput) -> EvidencePanel:
    """Return how far the map of a view can be trusted."""
    view = given.view
    found = read_evidence(given.reader, asset=view.asset, provider=view.provider, as_of=view.as_of)
    warning = read_warning(given.reader, asset=view.asset, venue=view.venue, as_of=view.as_of)
    if found is None:
        return EvidencePanel(
            view.asset,
            warning=warning,
            missing="an earlier release published this file, without figures of trust; run "
            "`liqheat publish`",
        )
    return EvidencePanel(
        view.asset, found["grade"] or "", warning, tuple(evidence_sentences(found))
    )
