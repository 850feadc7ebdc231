"""axe-core, which finds what keeps readers with a screen reader or weak eyes out of a page."""

from functools import cache
from importlib.resources import files

from tests.browser import Browser


def findings(chromium: Browser) -> list[str]:
    """What it finds in the page as it is shown now, of any impact.

    WebDriver brings the script into the page, which the page's own policy does not refuse.
    """
    if not chromium.run("return 'axe' in window"):
        chromium.run(_script())
    found: list[str] = chromium.run(_RUN)
    return found


@cache
def _script() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text()


_RUN = """
const shown = (it, {html}) => `${it.impact} ${it.id}: ${html.slice(0, 200)}`;
// Targets that are large enough are asked for by WCAG 2.2, which axe does not look at by itself.
const rules = {"target-size": {enabled: true}};
return axe.run({rules, resultTypes: ["violations"]}).then(found =>
  found.violations.flatMap(it => it.nodes.map(node => shown(it, node))));
"""
