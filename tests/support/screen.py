"""The playground as its user has it before them."""

import re

from playwright.sync_api import Page, expect

from tests.support.browser import Watched

ODD = ['it\'s "quoted" $HOME `ls` \\n \\ end', "a <script>window.broken = 1</script> tag", "🐼 two\nlines", "%s {} 'x'"]
"""Texts that a page, a shell or JSON could trip over."""


class Screen(Watched):
    """An open playground."""

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, lambda message: "Content Security" in message.text)
        page.goto(url)
        expect(page.locator("#served")).to_have_text(re.compile(r"\S"))

    def fill(self, query: str, passages: list[str]) -> None:
        self.page.fill("#query", query)
        self.page.fill("#passages", "\n\n".join(passages))

    def rank(self) -> list[tuple[int, float]]:
        """Press Rank and read the list: (index, score)."""
        with self.page.expect_response(lambda answer: answer.request.method == "POST"):
            self.page.click("#send")
        return self.ranking()

    def ranking(self) -> list[tuple[int, float]]:
        self.page.wait_for_selector("#outcome[aria-busy=false]")
        rows = self.page.locator("#ranking li")
        return [
            (
                int(rows.nth(row).locator(".index").inner_text().removeprefix("index ")),
                float(rows.nth(row).locator("data").get_attribute("value") or "nan"),
            )
            for row in range(rows.count())
        ]

    def figures(self) -> dict[str, str]:
        names, values = (self.page.locator(f"#figures {tag}").all_inner_texts() for tag in ("dt", "dd"))
        return dict(zip(names, values, strict=True))

    def error(self) -> str:
        with self.page.expect_response(lambda answer: answer.request.method == "POST"):
            self.page.click("#send")
        self.page.wait_for_selector("#error:not([hidden])")
        return self.page.inner_text("#error")
