"""`make picture`: docs/record-page.png, the demo's record in the review page, by Chromium."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

from lab.demo_web import FOLDER, newest, served
from lab.environment import ROOT

_FILE: Final = ROOT / "docs" / "record-page.png"
_WIDTH, _HEIGHT, _SCALE = 1120, 1000, 0.75


def picture() -> int:
    """Take it; 1 where there is no Chromium, or no record of the demo."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - for this alone

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    record_id = newest(FOLDER / "records.db")
    if chromium is None or record_id is None:
        print("picture: it needs Chromium, and a record: make demo", file=sys.stderr)
        return 1
    with served(FOLDER) as (url, _), sync_playwright() as playwright:
        # Root has no sandbox of Chromium's; the page is our own.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        page = browser.new_page(
            viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light", device_scale_factor=_SCALE
        )
        page.goto(f"{url}/records/{record_id}")
        page.screenshot(path=_FILE)
        browser.close()
    print(f"picture: {_FILE.relative_to(ROOT)}, {_FILE.stat().st_size // 1000} kB")
    return 0
