"""A paper's card, which is Markdown, as HTML that fits into its page."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from isthmus import board


def html(text: str, scale: str) -> Markup:
    """The card without its title and without the verdicts at this scale, which its page shows above it.

    Headings begin one level below the page's sections. HTML in the text is shown as text, pictures become
    links, and only links to the web stay links.
    """
    mark = re.escape(board.marker(scale))
    text = re.sub(rf"{mark}.*?{re.escape(board.END)}", "The verdicts stand above.", text, flags=re.DOTALL)
    text = re.sub(r"<!-- /?verdicts.*?-->", "", text)
    text = re.sub(r"\A# .*\n", "", text)
    return Markup(_parser().render(text))  # markdown-it has escaped what is not its own


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.validateLink = lambda url: url.startswith(("https://", "http://"))
    parser.core.ruler.push("lower", _lower)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    parser.add_render_rule("fence", _code)
    parser.add_render_rule("code_block", _code)
    return parser


def _lower(state: Any) -> None:
    """Headings one level down, column headings with their scope."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        elif token.type == "th_open":
            token.attrSet("scope", "col")


def _table_open(*_: Any) -> str:
    """A wide table scrolls by itself, also by keyboard."""
    return '<div class="scroll" tabindex="0" role="region" aria-label="Table of the card"><table>\n'


def _code(_: RendererHTML, tokens: Sequence[Token], index: int, *__: Any) -> str:
    return f'<pre tabindex="0"><code>{escape(tokens[index].content)}</code></pre>\n'
