# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a browser makes of a page or an image. Debian: chromium, which make check-all installs."""

import html
import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


@unittest.skipUnless(BROWSER, "there is no Chromium, which make check-all installs")
class TestCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vfioalign-browser-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def browse(self, page, *args):
        """Standard output. Nothing can be fetched."""
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                   "--proxy-server=127.0.0.1:9", f"--user-data-dir={self.folder}/profile", "--enable-logging=stderr", *args,
                   f"file://{page}"]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=True)
        self.assertEqual(re.findall(r".*CONSOLE.*", run.stderr), [])
        return run.stdout

    def picture(self, page, width, height):
        """A picture of the page, which is not empty."""
        picture = self.folder / "picture.png"
        self.browse(page, f"--screenshot={picture}", f"--window-size={width},{height}")
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        self.assertGreater(picture.stat().st_size, 5000)
        return picture

    def measure(self, document, script, width=1000):
        """What the body of a function returns once the browser has laid out the document. In a frame: a window is 500 pixels
        wide at least."""
        inner = f"{document}<script>parent.measured = (() => {{ {script} }})();</script>"
        page = self.folder / "measured.html"
        page.write_text(f"""<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe style="border:0;width:{width}px;height:1000px" srcdoc="{html.escape(inner)}"
onload="document.getElementById('measured').textContent = JSON.stringify(measured)"></iframe><pre id="measured"></pre>""")
        dom = self.browse(page, "--dump-dom", f"--window-size={max(width, 500)},1000")
        return json.loads(html.unescape(re.search('<pre id="measured">(.*?)</pre>', dom, re.S)[1]))
