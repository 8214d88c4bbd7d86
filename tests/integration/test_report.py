"""patrolctl report coverage: a page that is complete in itself, in three
languages, whose figures are the API's and whose names are text."""
import html.parser
import os
import re
import subprocess

import pytest

from lib_common import BIN, wait_for
from lib_database import crossing
from test_coverage import FAST, add_mission, coverage_of, put, town  # noqa: F401

HOSTILE = "<img src=x onerror=alert(1)> & \"two\" \u202e'"
VOID = {"meta", "br", "img", "rect", "circle"}


class Page(html.parser.HTMLParser):
    """Elements that open and close as they should; rows of tables; all text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.texts, self.tags, self.paths = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


def report(gateway, *arguments):
    run = subprocess.run([os.path.join(BIN, "patrolctl"), "report", "coverage", "--gateway",
                          gateway.url, *arguments], capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout.decode()


@pytest.fixture
def running(town, make_gateway, make_vehicle):  # noqa: F811
    add_mission(town, HOSTILE, crossing(8, 8))
    gateway = make_gateway(**FAST).start()
    put(make_vehicle, "A1", crossing(1, 0))
    wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 1, why=gateway.log)
    wait_for(lambda: (a := gateway.get("/v1/coverage"))["total"]["streets"]
             and a["total"]["streets"]["within_m"][0] > 0, why=gateway.log)
    return gateway


def test_the_page_says_what_the_api_says(running):
    page = Page(report(running, "--language", "en"))
    answer = running.get("/v1/coverage")
    rows = {row[0]: row[1:] for row in page.rows if row}
    for zone in answer["zones"]:
        row = rows[zone["name"]]
        assert row[0] == f"0:{zone['promise_s']}" and row[1] == str(zone["missions"]["total"])
        assert row[2:5] == [str(round(share * 100)) for share in zone["missions"]["share"]]
    for mission in answer["missions"]:
        if mission["name"] != HOSTILE:
            unit = mission["units"][0]
            # the first time is that of now, the second that of the past
            row = [r for r in page.rows if r and r[0] == mission["name"]][0]
            assert row[4] == f"A1 {round(unit['eta_s']) // 60}:{round(unit['eta_s']) % 60:02}"
    gaps = running.get("/v1/coverage/gaps?form=lines")["features"]
    for i, gap in enumerate(gaps):
        assert rows[str(i + 1)][0] == f"{gap['properties']['length_m'] / 1000:.1f}"
    past = [r for r in page.rows if r and r[0] == "Alpha"][1]
    assert len(past) == 9 and float(past[2]) > 0


def test_nothing_is_asked_for_and_names_are_text(running):
    text = report(running, "--now", "--language", "es")
    page = Page(text)
    assert not any(tag in ("script", "img", "link", "iframe", "object", "a")
                   for tag, _ in page.tags)
    assert not any(name in attributes for _, attributes in page.tags
                   for name in ("src", "href", "onerror", "onload", "xlink:href"))
    assert "url(" not in text and "@import" not in text and "http" not in text.replace(
        "http-equiv", "")
    shown = HOSTILE.replace("\u202e", "?")
    assert any(row and row[0] == shown for row in page.rows)
    assert "\u202e" not in text
    # a street is drawn for each piece, on the paper's map
    lines = sum(len(re.findall("M", attributes.get("d", ""))) for tag, attributes in page.tags
                if tag == "path" and attributes.get("fill") == "none")
    pieces = running.get("/v1/coverage/streets")["features"]
    assert lines >= len(pieces)


@pytest.mark.parametrize("language,title,comma", [
    ("en", "Coverage report", "."), ("es", "Informe de cobertura", ","),
    ("fr", "Rapport de couverture", ",")])
def test_three_languages(running, language, title, comma, tmp_path):
    path = tmp_path / "page.html"
    assert report(running, "--now", "--zone", "west", "--language", language, "--output",
                  str(path)) == ""
    page = Page(path.read_text(encoding="utf-8"))
    assert ("html", {"lang": language}) in page.tags and title in page.texts
    [west] = [row for row in page.rows if row and row[0] == "West" and len(row) > 9]
    assert re.fullmatch(rf"\d+{re.escape(comma)}\d", west[6])
    assert not any(row and row[0] == "East" for row in page.rows)


def test_wrong_calls(running):
    for arguments in (["--language", "de"], ["--json"], ["Miramar"]):
        run = subprocess.run([os.path.join(BIN, "patrolctl"), "report", "coverage", "--gateway",
                              running.url, *arguments], capture_output=True, timeout=60)
        assert run.returncode == 2 and run.stdout == b"", arguments
    run = subprocess.run([os.path.join(BIN, "patrolctl"), "report", "coverage", "--now",
                          "--gateway", running.url, "--output", "/nowhere/page.html"],
                         capture_output=True, timeout=60)
    assert run.returncode == 1 and b"/nowhere/page.html" in run.stderr
