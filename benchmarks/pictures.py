"""The two pictures that README and pages show, drawn anew by code and models as they stand: the
demo's radiograph with its lungs, and the page of `lungseg serve` with the demo's CT.

    python benchmarks/pictures.py          # docs/images/demo.png and page.png; a minute
    python benchmarks/pictures.py demo     # one of them; the page needs the extras serve and dev,
                                           # and Debian's chromium

Look at them before they are committed: at full size, at the bases of the lungs and at gas below.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SIZE = (1360, 940)
"""Of the page, in pixels: a laptop's window."""
MOST_LUNG = 29
"""The slice that is shown, counted from 1."""


def draw_demo(folder: Path) -> None:
    """The overlay of `lungseg demo`."""
    from lungseg import segment
    from lungseg.phantom.radiograph import radiograph_phantom

    result = segment(radiograph_phantom((768, 768)).image)
    paths = result.save(folder, outputs=["overlay"], name="demo")
    shutil.copy(paths["overlay"], IMAGES / "demo.png")


def draw_page(folder: Path) -> None:
    """The page after both phantoms of the demo were dropped on it."""
    from playwright.sync_api import sync_playwright

    from lungseg.phantom.ct import ct_phantom
    from lungseg.phantom.radiograph import radiograph_phantom
    from lungseg.writers import image_png, volume_nifti, write_file

    film = radiograph_phantom((768, 768)).image
    scan, picture = folder / "phantom_ct.nii.gz", folder / "phantom.png"
    write_file(scan, volume_nifti(ct_phantom().volume))
    write_file(picture, image_png(film.array, of=film))
    command = [sys.executable, "-m", "lungseg", "serve", "--port", "0"]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stderr is not None
        address = next(line.split()[0] for line in server.stderr if line.startswith("http://"))
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
            page.set_default_timeout(600_000)
            page.goto(address)
            page.wait_for_selector("body[data-ready]")
            page.set_input_files("#files", [scan, picture])
            for number in (1, 2):
                page.wait_for_selector(f"#jobs li:nth-child({number})[data-state=done]")
            page.click("#jobs li:nth-child(1) .open")
            page.wait_for_selector("#stage[data-slice]")
            page.fill("#slice", str(MOST_LUNG - 1))
            page.wait_for_selector(f"#stage[data-slice='{MOST_LUNG - 1}']")
            page.mouse.move(0, 0)
            page.screenshot(path=IMAGES / "page.png")
        finally:
            browser.close()
            server.terminate()


DRAWN = {"demo": draw_demo, "page": draw_page}


def main() -> None:
    """Draws those that are named, or both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="*", metavar="demo|page")
    names = parser.parse_args().pictures or [*DRAWN]
    if unknown := [name for name in names if name not in DRAWN]:
        parser.error(f"there is no picture called {unknown[0]}; choose from {', '.join(DRAWN)}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            DRAWN[name](Path(folder))


if __name__ == "__main__":
    main()
