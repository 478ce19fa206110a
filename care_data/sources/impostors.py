"""What comes in place of data: a web page, or the pointer that stands for a file in Git LFS."""

import re

from care_data.errors import CareError, Exit
from care_data.sources.places import shown
from care_data.sources.replies import Pointer

HEAD = 1024  # bytes looked at to tell a page or a pointer from data; a pointer is never longer
PAGE = re.compile(rb"(?:<\?xml[^>]*>|<!--.*?-->|\s)*<(?:!doctype html|html|head|body|script|meta)[\s>]", re.DOTALL)
KINDS = {"text/html", "application/xhtml+xml"}
BY_HAND = "Fetch it by hand and use --mirror FOLDER."


def refuse_impostor(head: bytes, path: str, where: str, kind: str = "") -> None:
    """Raise CareError (5) if a file begins like a web page or a Git LFS pointer and should not. kind: Content-Type."""
    start = head[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    page = kind.partition(";")[0].strip().lower() in KINDS or PAGE.match(start.lower())
    if page and not path.lower().endswith((".html", ".htm", ".xhtml")):
        title = re.search(rb"<title[^>]*>\s*([^<]{1,80})", start, re.IGNORECASE)
        called = f" '{shown(title[1].decode(errors='replace').strip())}'" if title else ""
        finding = f"is a web page{called}, not the file: a login, a quota notice or a network's own page"
        raise CareError(f"{where} {finding}; nothing was kept", fix=BY_HAND, code=Exit.MANUAL)
    if start.startswith(b"version https://git-lfs.github.com/spec/") and len(head) < HEAD:
        raise Pointer(where, head, BY_HAND)
