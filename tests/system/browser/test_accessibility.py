"""axe-core finds nothing serious on any page, in light and in dark."""

import pytest

PANELS = ("today", "providers", "cascade", "quality", "accuracy", "context", "health")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_on_the_page_and_its_panels(
    open_page, axe, theme, serious_faults, wait_drawn
):
    page = open_page(color_scheme=theme)
    assert serious_faults(page, axe) == []
    for panel in PANELS:
        page.locator(f"#tab-{panel}").click()
        wait_drawn(page)
        assert serious_faults(page, axe, "'#panel'") == [], panel


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("address", ["/?asset=THIN&compare=open_interest", "/?asset=NONE"])
def test_nothing_serious_on_a_noisy_asset_two_maps_and_an_error(
    open_page, axe, theme, address, serious_faults
):
    page = open_page(address, color_scheme=theme)
    assert serious_faults(page, axe) == []
    page.observed.faults = [fault for fault in page.observed.faults if "404" not in fault]


def test_nothing_serious_on_a_phone_with_its_switches_open(open_page, axe, serious_faults):
    page = open_page(width=390, height=844)
    page.locator("#more").click()
    assert serious_faults(page, axe) == []
