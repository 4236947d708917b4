"""The atlas in a real browser: links, pictures, downloads, keyboard, phone, contrast, and no network."""

import json
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import pytest
from atlases import EVIL, planted
from chromium import browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PAGES = ("index", "toy", "toy@gentle", "figures")
# Where links to the web go: the paper, its code, and what the card names.
OUTSIDE = {"arxiv.org", "github.com", "elsewhere.example"}

# Scripts that look at a page: how many texts and which lack contrast; what a screen reader would stumble over.
# Which words of a board are broken in two, for want of room.
CONTRAST, STRUCTURE, BROKEN = (
    Path(__file__).with_name(f"page_{name}.js").read_text(encoding="utf-8")
    for name in ("contrast", "structure", "broken")
)
# Of each claim's row, the left and top edge of each cell.
CELLS = (
    "return [...document.querySelectorAll('.board tr[data-claim]')].map((row) => [...row.cells].map((cell) => {"
    "const {left, top} = cell.getBoundingClientRect(); return [left, top]; }))"
)


@pytest.fixture(scope="module")
def chrome():
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    with planted(tmp_path_factory.mktemp("atlas")) as found:
        (found.root / "results/laptop/report.html").write_text("graph")
        found.write()
        yield found


@pytest.fixture(params=PAGES)
def page(request, there):
    return there.page(request.param)


def test_nothing_leaves_the_page_and_the_console_is_silent(chrome, page):
    chrome.open(page)
    chrome.run("window.scrollTo(0, document.body.scrollHeight)")
    asked = chrome.requests()
    assert page.as_uri() in asked
    assert {urlparse(url).scheme for url in asked} <= {"file", "data"}
    assert chrome.complaints() == []


def test_every_link_leads_somewhere(chrome, page):
    chrome.open(page)
    links = chrome.run("return [...document.querySelectorAll('a[href]')].map((link) => link.href)")
    assert len(links) > 5
    for link in links:
        if urlparse(link).scheme != "file":
            assert urlparse(link).scheme == "https"
            assert urlparse(link).hostname in OUTSIDE
            continue
        target, fragment = urldefrag(link)
        path = Path(unquote(urlparse(target).path))
        assert path.is_file(), link
        if fragment:
            assert f'id="{unquote(fragment)}"' in path.read_text(encoding="utf-8"), link


@pytest.mark.parametrize(("name", "count"), [("toy", 1), ("figures", 2)])
def test_pictures_load(chrome, there, name, count):
    chrome.open(there.page(name))
    widths = chrome.run(
        "return Promise.all([...document.querySelectorAll('main img')].map(async (picture) => {"
        "picture.loading = 'eager'; await picture.decode(); return picture.naturalWidth; }))"
    )
    assert len(widths) == count
    assert min(widths) > 0


def test_downloads_are_the_files_of_the_build(chrome, there):
    chrome.open(there.page("toy"))
    downloads = chrome.run("return [...document.querySelectorAll('a[download]')].map((link) => link.href)")
    copies = [Path(urlparse(link).path) for link in downloads]
    assert {copy.suffix for copy in copies} == {".svg", ".pdf", ".csv"}
    for copy in copies:
        (source,) = there.root.glob(f"results/laptop/toy/*/{copy.name}")
        assert copy.read_bytes() == source.read_bytes()


def test_verdicts_are_those_of_verdict_json(chrome, there):
    wanted = {
        (room, name): claim["verdict"]
        for room in ("toy", "toy@gentle")
        for name, claim in json.loads((there.root / f"results/laptop/{room}/verdict.json").read_text())[
            "claims"
        ].items()
    }
    chrome.open(there.page())
    rows = chrome.run(
        "return [...document.querySelectorAll('.board tr[data-claim]')].map((row) => [row.dataset.room,"
        " row.dataset.claim, row.querySelector('.verdict').innerText, row.cells[0].innerText])"
    )
    assert {(room, claim): word.split(" ", 1)[1] for room, claim, word, _ in rows} == wanted
    assert all(EVIL in says for *_, says in rows)
    chips = chrome.run("return [...document.querySelectorAll('.chip')].map((chip) => chip.textContent)")
    assert [chip.split(": ")[1] for chip in chips] == list(wanted.values())
    for room in ("toy", "toy@gentle"):
        chrome.open(there.page(room))
        shown = chrome.run(
            "return [...document.querySelectorAll('.claim')].map((claim) =>"
            " [claim.id, claim.querySelector('.outcome .verdict').innerText])"
        )
        assert {(room, claim): word.split(" ", 1)[1] for claim, word in shown} == {
            key: word for key, word in wanted.items() if key[0] == room
        }


def test_html_in_a_study_is_text(chrome, page):
    chrome.open(page)
    assert chrome.driver.title != "owned"
    assert chrome.run("return document.querySelectorAll('script, main img[src^=http], [onerror]').length") == 1
    assert EVIL in chrome.driver.find_element(By.TAG_NAME, "main").text


def test_a_script_of_another_would_not_run(chrome, page):
    """The policy in the page's head, should an escape ever be forgotten."""
    page_with = page.with_name("changed.html")
    page_with.write_text(page.read_text().replace("</main>", "<script>document.title = 'owned'</script></main>"))
    chrome.open(page_with)
    page_with.unlink()
    assert chrome.driver.title != "owned"
    assert any("Content Security Policy" in complaint for complaint in chrome.complaints())


@pytest.mark.parametrize("leave", [Keys.ESCAPE, Keys.ENTER])
def test_a_figure_is_enlarged_and_left_by_keyboard(chrome, there, leave):
    """Tab to it, Enter, then Escape or the button that has the focus; the focus is back at the figure."""
    chrome.open(there.page("toy"))
    active = chrome.driver.switch_to
    for _ in range(200):
        active.active_element.send_keys(Keys.TAB)
        if active.active_element.get_attribute("class") == "enlarge":
            break
    figure = active.active_element
    assert figure.get_attribute("class") == "enlarge"
    assert chrome.run("return getComputedStyle(arguments[0]).outlineStyle", figure) == "solid"
    figure.send_keys(Keys.ENTER)
    dialog = chrome.driver.find_element(By.ID, "enlarged")
    assert dialog.is_displayed()
    large = dialog.find_element(By.TAG_NAME, "img")
    assert large.get_attribute("src").endswith("/files/toy/norm_by_seed.svg")
    assert EVIL in large.get_attribute("alt")
    assert large.size["width"] > figure.size["width"]
    active.active_element.send_keys(leave)
    assert not dialog.is_displayed()
    assert active.active_element == figure


def test_a_skip_link_is_the_first_stop(chrome, page):
    chrome.open(page)
    chrome.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    chrome.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert chrome.run("return document.activeElement.tagName") == "MAIN"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(chrome, page, width):
    chrome.open(page, width=width, height=780)
    chrome.run("for (const details of document.querySelectorAll('details')) details.open = true")
    inner, shown, needed = chrome.run(
        "const root = document.documentElement; return [innerWidth, root.clientWidth, root.scrollWidth]"
    )
    assert inner == width
    assert needed <= shown


@pytest.mark.parametrize("width", [1100, 1280])
def test_the_boards_columns_stand_side_by_side_and_break_no_word(chrome, there, width):
    chrome.open(there.page(), width=width)
    rows = chrome.run(CELLS)
    assert len(rows) > 10
    for row in rows:
        lefts, tops = zip(*row, strict=True)
        assert len({round(top) for top in tops}) == 1
        assert [*lefts] == sorted(set(lefts))
    count, broken = chrome.run(BROKEN, "thead, tbody")
    assert count > 200
    assert broken == []


def test_on_a_phone_a_row_is_a_stack_of_named_cells(chrome, there):
    chrome.open(there.page(), width=360, height=780)
    for row in chrome.run(CELLS):
        lefts, tops = zip(*row, strict=True)
        assert len({*lefts}) == 1
        assert [*tops] == sorted(set(tops))
    labels = chrome.run(
        "return [...document.querySelector('.board tr[data-claim]').querySelectorAll('td')].map((cell) =>"
        " getComputedStyle(cell, '::before').content)"
    )
    assert labels == ['"Verdict"', '"Ours"', '"n"', '"Control"', '"The paper’s"', '"Differs in"']
    count, broken = chrome.run(BROKEN, "tbody")
    assert count > 200
    assert broken == []


def test_a_screen_reader_finds_its_way(chrome, page):
    chrome.open(page)
    assert chrome.run(STRUCTURE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(chrome, page, scheme):
    chrome.open(page, scheme=scheme)
    count, short = chrome.run(CONTRAST)
    assert count > 20
    assert short == []


def test_light_and_dark_differ(chrome, page):
    grounds = []
    for scheme in ("light", "dark"):
        chrome.open(page, scheme=scheme)
        grounds.append(chrome.run("return getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]
