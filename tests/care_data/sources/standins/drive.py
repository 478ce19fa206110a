"""What Google Drive's two hosts answer about shared files: bytes, the form for large ones, folders, refusals."""

import html
import re
from typing import Any

from standins.faults import FaultServer, Handler, Page

CHANGED = "Tue, 02 Jan 2024 03:04:05 GMT"
FORM = """<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>
<meta http-equiv="content-type" content="text/html; charset=utf-8"/><style nonce="x">.uc-main{{margin:0}}</style></head>
<body><div class="uc-main"><div id="uc-text"><p class="uc-warning-caption">
Google Drive can't scan this file for viruses.</p>
<p class="uc-warning-subcaption"><span class="uc-name-size"><a href="/open?id={id}">{name}</a> (1.6G)</span> is
too large for Google to scan for viruses. Would you still like to download this file?</p>
<form id="download-form" action="{action}" method="get">
<input type="submit" id="uc-download-link" value="Download anyway"/>
<input type="hidden" name="id" value="{id}"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="{uuid}"></form></div></div>
<div class="uc-footer"><hr class="uc-footer-divider">&copy; 2024 Google -
<a class="goog-link" href="//support.google.com">Help</a>
</div></body></html>"""
NOTICE = """<!DOCTYPE html><html><head><title>{title}</title></head><body><div class="uc-main"><div id="uc-text">
<p class="uc-error-caption">{caption}</p><p class="uc-error-subcaption">{text}</p></div></div>
<div class="uc-footer"><a href="https://accounts.google.com/ServiceLogin">Sign in</a></div></body></html>"""
FOLDER = """<html><head><title>shared - Google Drive</title></head><body><div class="flip-list-container">
<div class="flip-list-header"></div><div class="flip-entries">{lines}</div></div></body></html>"""
LINE = """<div class="flip-entry" id="entry-{id}" tabindex="0" role="link"><div class="flip-entry-info">
<a href="https://{address}" target="_blank"><div class="flip-entry-visual"><img alt=""></div>
<div class="flip-entry-title">{name}</div></a></div>
<div class="flip-entry-last-modified"><div>1/2/24</div></div></div>"""
PLACES = {
    "file": "drive.google.com/file/d/{id}/view?usp=drive_web",
    "folder": "drive.google.com/drive/folders/{id}",
    "document": "docs.google.com/document/d/{id}/edit",
}


class Drive(FaultServer):
    """Both hosts in one. A large file is given only to who answers the form with the cookie that came with it."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = _Handler
        self.forms = 0

    def share(self, id: str, body: bytes, name: str = "x.json", **settings: Any) -> Page:
        """A file small enough to be scanned."""
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Last-Modified": CHANGED}
        page = Page(body, etag=CHANGED, headers=headers, **settings)
        self.pages[f"/download?id={id}"] = page
        return page

    def share_large(self, id: str, body: bytes, name: str = "x.json", action: str = "", **settings: Any) -> Page:
        """A file behind the form, which has another uuid each time."""
        page = self.share(id, body, name, **settings)

        def make(content: bytes) -> tuple[int, bytes]:
            self.forms += 1
            self.pages[f"/download?id={id}&uuid=u{self.forms}"] = page
            address = action or f"{self.url}/download"
            return 200, FORM.format(id=id, name=html.escape(name), uuid=f"u{self.forms}", action=address).encode()

        kind, cookie = "text/html; charset=utf-8", {"Set-Cookie": f"download_warning={id}; Path=/download"}
        self.pages[f"/download?id={id}"] = Page(b"", kind=kind, headers=cookie, make=make)
        return page

    def share_folder(self, id: str, lines: list[tuple[str, str, str]]) -> None:
        """A folder of (kind, id, name); the kinds are those of PLACES."""
        texts = [
            LINE.format(id=each, address=PLACES[kind].format(id=each), name=html.escape(name))
            for kind, each, name in lines
        ]
        self.put(
            f"/embeddedfolderview?id={id}",
            FOLDER.format(lines="".join(texts)).encode(),
            kind="text/html; charset=utf-8",
        )

    def say(self, address: str, title: str, caption: str = "", text: str = "", **settings: Any) -> Page:
        """A page of words at an address."""
        body = NOTICE.format(title=title, caption=caption, text=text).encode()
        self.pages[address] = Page(body, kind="text/html; charset=utf-8", **settings)
        return self.pages[address]


class _Handler(Handler):
    def do_GET(self) -> None:
        if "download_warning=" not in self.headers.get("Cookie", ""):
            self.path = re.sub("&uuid=[^&]*", "", self.path)  # without the cookie the form comes again
        super().do_GET()

    do_HEAD = do_GET
