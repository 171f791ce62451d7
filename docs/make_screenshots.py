"""Takes the screenshots of docs/inspect.md anew: a training step of the size of GPT-2.

    python docs/make_screenshots.py

Needs Chromium with its driver (Debian: apt-get install chromium chromium-driver), selenium and
optax; takes half a minute.
"""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
WIDTH = 1180
# What of the page is seen: from the top of one element to the end of another, so high at most.
VIEWS = {
    "inspect": ("header", "#source", 1700),
    "inspect-tree": ("#tree", "#tree", 1200),
    "inspect-picture": ("#picture", "#picture", 1000),
}
BOX = """
const box = document.querySelector(arguments[0]).getBoundingClientRect();
return [box.top + scrollY, box.bottom + scrollY];
"""


def main() -> None:
    """Writes docs/images/inspect*-{light,dark}.png."""
    sys.path.insert(0, str(ROOT / "examples"))
    import gpt2_step

    import jaxkit

    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "train_step.html"
        jaxkit.inspect(gpt2_step.train_step)(*gpt2_step.arguments()).save(page)
        # The file's path on this machine says nothing.
        page.write_text(page.read_text("utf-8").replace(f"{ROOT}/", ""), "utf-8")
        browser = chromium(f"{folder}/profile")
        try:
            for theme in ("light", "dark"):
                take_all(browser, page, theme)
        finally:
            browser.quit()


def chromium(profile: str) -> Any:
    """A browser without a window."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        sys.exit(
            "Chromium or its driver is not installed: apt-get install chromium chromium-driver"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    options.add_argument(f"--window-size={WIDTH},1150")
    options.add_argument(f"--user-data-dir={profile}")
    return webdriver.Chrome(options=options, service=Service(driver))


def take_all(browser: Any, page: Path, theme: str) -> None:
    """All views in one theme."""
    feature = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get(page.as_uri())
    for name, (first, last, most) in VIEWS.items():
        top = max(browser.execute_script(BOX, first)[0] - 12, 0)
        height = min(browser.execute_script(BOX, last)[1] + 12 - top, most)
        clip = {"x": 0, "y": top, "width": WIDTH, "height": height, "scale": 1}
        wanted = {"format": "png", "clip": clip, "captureBeyondViewport": True}
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", wanted)
        (IMAGES / f"{name}-{theme}.png").write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    main()
