"""A small site of books: lists over several pages, a page for each book, its whole text on one page, its chapters."""

import html
import time
from typing import Any
from urllib.parse import quote

from standins.faults import FaultServer, Handler, Page

HOST = "books.example.org"
FRAME = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>{title}</title><script>var frame = "不在文中";</script></head>
<body><header><a href="/">书库</a><form action="/search"><input name="q"></form></header>
<div id="container">{body}</div>
<footer>本站只供学习 <a href="https://elsewhere.example.org/about.html">关于本站</a></footer></body></html>"""
TEXT = "春三月，宜早起散步；夏三月，宜午后小憩。此段为试写之文，别无深意。"


class Site(FaultServer):
    """Answers 304 to those who have a page. times: when each request came."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = _Handler
        self.times: list[float] = []

    def publish(self, path: str, title: str, body: str, **settings: Any) -> Page:
        """A page of the site in its frame."""
        text = FRAME.format(title=html.escape(title), body=body).encode()
        self.pages[path] = Page(text, etag=f'"{quote(path)}-1"', kind="text/html; charset=utf-8", **settings)
        return self.pages[path]

    def fill(self, books: int, in_list: int = 2) -> dict[str, bytes]:
        """Put books on so many lists; the whole texts, by their path on the site."""
        lists = [range(at, min(at + in_list, books)) for at in range(0, books, in_list)]
        further = "".join(f'<a href="index___{number + 1}.html">{number + 1}</a>' for number in range(len(lists)))
        for number, members in enumerate(lists):
            links = "".join(f'<li><a href="/shu/b{book}/index.html">试书{book}</a></li>' for book in members)
            body = f'<div id="list-content"><ul>{links}</ul></div><div class="pages">{further}</div>'
            for path in [f"/shu/index___{number + 1}.html", *(["/shu/"] if number == 0 else [])]:
                self.publish(path, "书目", body)
        for book in range(books):
            chapters = "".join(f'<li><a href="{number}.html">第{number}章</a></li>' for number in range(1, 4))
            whole = f'<div id="catalog-info"><a href="/shu/b{book}/quanben.html#top">全本</a></div>'
            self.publish(f"/shu/b{book}/index.html", f"试书{book}", f"{whole}<ul>{chapters}</ul>")
            sections = "".join(
                f'<div class="section"><h3 class="title">第{number}章</h3><p>{TEXT}{book}·{number}</p></div>'
                for number in range(1, 4)
            )
            self.publish(f"/shu/b{book}/quanben.html", f"试书{book}全本", f'<div id="content">{sections}</div>')
        return {path[1:]: page.body for path, page in self.pages.items() if path.endswith("quanben.html")}

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [path for path, _ in self.log]


class _Handler(Handler):
    server: Site

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.times.append(time.monotonic())
        super().do_GET()

    def serve(self, page: Page, fault: dict[str, Any]) -> None:
        if not fault and self.headers.get("If-None-Match") == page.etag:
            return self.answer(304, b"", {"ETag": page.etag})
        return super().serve(page, fault)
