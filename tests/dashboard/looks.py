"""Looks at a page in a browser: as it is shown at any width, light and dark, and by keyboard."""

from itertools import product
from typing import Any

from tests import axe
from tests.browser import Browser

# 640 is 1,280 at a zoom of 200 %.
WIDTHS = (1280, 640, 360)
# Each width and each set of colours once, as a look takes up to a second.
AUDITED = ((1280, False), (360, True))


def assert_whole(chromium: Browser, where: str) -> None:
    """The page that is loaded is one for any reader, in any of these windows.

    It is not loaded again, as only its styles depend on the window.
    """
    assert chromium.texts("h1"), where
    colours = {}
    for width, dark in product(WIDTHS, (False, True)):
        chromium.emulate(width=width, dark=dark)
        here = f"{where} at {width}, {'dark' if dark else 'light'}"
        found = chromium.run(_SHOWN)
        assert found["width"] <= width, here
        # Only tables, code and navigation may be wider than they are shown.
        assert found["wide"] == [], f"{here}: {found['wide']}"
        if (width, dark) in AUDITED:
            wrong = axe.findings(chromium)
            assert wrong == [], f"{here}: {wrong}"
        colours[dark] = found["colours"]
    assert not {*colours[True]} & {*colours[False]}, where


_SHOWN = """
const root = document.documentElement;
const mayScroll = (it) => it.closest(".scroll, nav, pre, .hidden, .skip, svg") || isCut(it);
// Of a long name the end is not shown.
const isCut = (it) => {
  const outer = it.parentElement;
  if (!outer || outer === document.body) return false;
  return getComputedStyle(outer).textOverflow === "ellipsis" || isCut(outer);
};
return {
  width: root.scrollWidth,
  colours: [getComputedStyle(root).backgroundColor,
            getComputedStyle(document.querySelector("h1")).color],
  wide: [...document.querySelectorAll("main *, header *")]
    .filter(it => !mayScroll(it) && it.getBoundingClientRect().right > root.clientWidth + 1)
    .map(it => it.outerHTML.slice(0, 100)),
};
"""


def assert_reached_by_keyboard(chromium: Browser, where: str) -> None:
    """Tab leads to all that can be used, in its order, with a frame that can be seen, and out."""
    expected = chromium.run(_USABLE)
    assert expected, where
    reached: list[Any] = []
    for _ in range(len(expected) + 10):
        chromium.press("Tab")
        place, name, wrong = chromium.run(_FOCUSED)
        if place is None or place in reached:
            break
        assert not wrong, (where, name, wrong)
        reached.append(place)
    else:
        raise AssertionError(f"{where}: Tab does not lead out of the page")
    assert [it for it in reached if it >= 0] == [*range(len(expected))], (where, expected)


# What scrolls is reached too, so that the keyboard can scroll it; it is no part of the list.
_USABLE = """
window.scrollTo(0, 0);
document.body.tabIndex = -1;
document.body.focus();
document.body.removeAttribute("tabindex");
window.usable = [...document.querySelectorAll("a[href], button, input, select, summary, textarea")]
  .filter(it => it.type !== "hidden" && !it.disabled && it.tabIndex >= 0 && it.checkVisibility());
return usable.map(it => it.outerHTML.slice(0, 100));
"""
_FOCUSED = """
const it = document.activeElement;
if (!it || it === document.body || it === document.documentElement) return [null, "", ""];
const style = getComputedStyle(it), box = it.getBoundingClientRect();
const wrong = [];
if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) wrong.push("no frame");
const out = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
for (let over = it.parentElement; over; over = over.parentElement) {
  const clip = getComputedStyle(over);
  if (clip.overflowX === "visible" && clip.overflowY === "visible") continue;
  const edge = over.getBoundingClientRect();
  if (box.top - out < edge.top - 1 || box.bottom + out > edge.bottom + 1
      || box.left - out < edge.left - 1 || box.right + out > edge.right + 1)
    wrong.push(`cut off by ${over.outerHTML.slice(0, 60)}`);
}
if (box.bottom < 0 || box.top > innerHeight || !box.width) wrong.push("out of sight");
window.seen ??= [];
const place = usable.indexOf(it);
if (place < 0) {
  if (!seen.includes(it)) seen.push(it);
  return [-1 - seen.indexOf(it), it.outerHTML.slice(0, 100), wrong.join("; ")];
}
return [place, it.outerHTML.slice(0, 100), wrong.join("; ")];
"""
