"""A web page read whole: a listing, a form, a refusal in words, a page of a crawled site."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from care_data.errors import CareError, Exit
from care_data.sources.replies import address
from care_data.sources.session import Pace, Session

if TYPE_CHECKING:
    import httpx2
    from selectolax.lexbor import LexborHTMLParser

UNSEEN = "script, style, template, noscript"
LONGEST = 16 << 20  # bytes of a page


@dataclass(frozen=True)
class Page:
    """What an address answered with. url: where it came from in the end, behind all redirects."""

    url: "httpx2.URL"
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def tree(self) -> "LexborHTMLParser":
        """The parsed page. A letter that is not valid counts as a blank: the page is looked at, not kept as text."""
        from selectolax.lexbor import LexborHTMLParser

        return LexborHTMLParser(self.body.decode(self._encoding, errors="replace"))

    @cached_property
    def title(self) -> str:
        """The page's title in one line."""
        node = self.tree.css_first("title")
        return " ".join(node.text().split()) if node is not None else ""

    @cached_property
    def text(self) -> str:
        """What a reader sees of the body, in one line."""
        from selectolax.lexbor import LexborHTMLParser

        seen = LexborHTMLParser(self.tree.html or "")  # a copy, for nodes are taken out of it
        for node in seen.css(UNSEEN):
            node.decompose()
        return " ".join(seen.body.text(separator=" ").split()) if seen.body is not None else ""

    @property
    def _encoding(self) -> str:
        """The encoding that the header or the page's head names, where there is one of that name."""
        told = self.headers.get("content-type", "").encode() + self.body[:1024]
        found = re.search(rb"charset\s*=\s*[\"']?(gb18030|gbk|gb2312|big5)", told, re.IGNORECASE)
        name = found[1].decode().lower() if found else "utf-8"
        return "gb18030" if name.startswith("gb") else name


def is_page(response: "httpx2.Response") -> bool:
    """Whether a response is a page to look at, not a file to keep."""
    attached = response.headers.get("content-disposition", "").lower().startswith("attachment")
    return not attached and response.headers.get("content-type", "").lower().startswith("text/html")


def read_body(session: Session, response: "httpx2.Response") -> Page:
    """The page of an open response, whole. Raises Passing where it is cut, CareError (8) where it does not end."""
    body, pace = bytearray(), Pace(session.limits)
    for chunk in response.iter_bytes():
        body += chunk
        pace.add(len(chunk))
        if len(body) > LONGEST:
            raise CareError(
                f"{address(str(response.url))} is longer than {LONGEST} bytes, as no page is", code=Exit.LIMIT
            )
    return Page(response.url, response.headers, bytes(body))
