"""What README, pages, manuals and --help print as runnable in the demo is run
in a demo, and gives what is printed beside it.

A block fenced as ```sh demo is run as it stands, with the two exports that the
demo prints in force; ```sh demo fails must end with an error. A ```text block
behind it is its output, up to numbers: every number stands for any other,
"within" for "too late", spaces for spaces, and a line "..." for any lines."""
import fnmatch
import glob
import os
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from test_demo import POSTGRES, TOP, Demo

PAGES = ["README.md", *sorted(glob.glob("deploy/pages/*.md", root_dir=TOP))]
OPERATOR = "deploy/pages/operator.md"
MANUALS = {"patrolctl": "gateway/patrolctl/patrolctl.1"}
BIN = os.environ.get("PATROL_BIN", os.path.join(TOP, "build/release/bin"))

# A watch has no end of its own.
PRELUDE = """set -eo pipefail
patrolctl() {
    [ "$1" = watch ] || { command patrolctl "$@"; return; }
    timeout -s INT 3 patrolctl "$@" || [ $? -eq 124 ]
}
"""


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as source:
        return source.read()


def blocks_of(path):
    """(line, info, script, expected or None) of every demo block."""
    text = read(path)
    fence = re.compile(r"^```(sh demo[^\n]*)\n(.*?)^```\n(?:\n?```text\n(.*?)^```\n)?",
                       re.M | re.S)
    return [(text.count("\n", 0, found.start()) + 1, *found.groups())
            for found in fence.finditer(text)]


def readme_block():
    """The indented commands of README's "Asking"."""
    section = read("README.md").split("\n## Asking\n", 1)[1].split("\n## ")[0]
    return "".join(re.findall(r"^    (.*\n)", section, re.M))


def plain(line):
    line = re.sub(r"-?\d+(?:[.:]\d+)*", "#", line)
    return re.sub(r"\btoo late\b", "within", " ".join(line.split()))


def agrees(expected, actual):
    def match(want, have):
        if not want:
            return not have
        if want[0] == "...":
            return any(match(want[1:], have[n:]) for n in range(len(have) + 1))
        return bool(have) and want[0] == have[0] and match(want[1:], have[1:])

    return match([plain(line) for line in expected.strip().splitlines()],
                 [plain(line) for line in actual.strip().splitlines()])


def logs(demo):
    return subprocess.run(f"tail -n 5 {demo.dir}/log/*.log", shell=True, text=True,
                          check=False, stdout=subprocess.PIPE).stdout


def wait_for_agents(demo):
    """The demo begins when nearly all units have a position; the pages show
    P-01 to P-04, whose agents come by theirs through gpsd."""
    until = time.monotonic() + 30
    while True:
        units = demo.get("/v1/units")["units"]
        if all(unit.get("position") for unit in units[:4]):
            return
        assert time.monotonic() < until, f"{units[:4]}\n{logs(demo)}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def demo():
    directory = tempfile.mkdtemp(prefix="patrol-pages-")
    os.chmod(directory, 0o711)
    one = Demo(os.path.join(directory, "d"))
    try:
        started = one.run(timeout=280)
        assert started.returncode == 0, started.stdout + logs(one)
        wait_for_agents(one)
        yield one
    finally:
        one.run("reset")
        shutil.rmtree(directory, ignore_errors=True)


def run(demo, script, cwd=None):
    """In the demo's directory: what an example writes is gone with it."""
    url = subprocess.run([POSTGRES, "url", f"{demo.dir}/db"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout.strip()
    script = script.replace("127.0.0.1:8080", f"127.0.0.1:{demo.http}")
    script = re.sub(r"(?:\./)?(deploy/demo status)", rf"{TOP}/\1 --dir {demo.dir}", script)
    script = script.replace("/var/lib/patrol-demo", demo.dir)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}",
                   "PATROL_GATEWAY": f"http://127.0.0.1:{demo.http}",
                   "PATROL_DATABASE": url, "no_proxy": "*", "PAGER": "cat",
                   "LC_ALL": "C.UTF-8"}
    return subprocess.run(["bash", "-c", PRELUDE + script], cwd=cwd or demo.dir, text=True,
                          env=environment, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def test_comparison_tells_words_from_numbers():
    assert agrees("1  P-02  9.4  too late\n", "1  P-03  115.7   within\n")
    assert agrees("a\n...\nc 1\n", "a\nb\nb\nc 22\n")
    assert not agrees("a\n...\nc\n", "a\nb\n")
    assert not agrees("P-01 available\n", "P-01 busy\n")
    assert not agrees("P-01\nP-02\n", "P-01\n")
    assert not agrees("promise 2:00\n", "promise -\n")


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_somewhere(path):
    folder = os.path.dirname(os.path.join(TOP, path))
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(path)):
        assert os.path.exists(os.path.join(folder, link)), f"{path}: {link}"


@pytest.mark.parametrize("reader", ["crew", "dispatcher", "planner"])
def test_languages_say_the_same(reader):
    """The same commands and answers, sections and rows of tables, in order."""
    shapes = []
    for language in ("es", "en", "fr"):
        path = f"deploy/pages/{reader}.{language}.md"
        rows = re.findall(r"^(#+ |\| *(?:`[^`]*`)?|\d+\. |- )", read(path), re.M)
        # what is written in a language has another name in each
        blocks = [(info, re.sub(r"--language \w+ --output \w+", "--language", script), *rest)
                  for _, info, script, *rest in blocks_of(path)]
        shapes.append((blocks, rows))
    assert shapes[0] == shapes[1] == shapes[2]


def test_planner_knows_every_setting_of_a_profile():
    """Each key that profiles.ini has, and none that it has not."""
    keys = set(re.findall(r"^([a-z_0-9]+) = ", read("deploy/config/profiles.ini"), re.M))
    rows = re.findall(r"^\| (`.*?) \|", read("deploy/pages/planner.en.md").split(
        "\n| setting | meaning |\n")[1].split("\n\n")[0], re.M)
    patterns = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    for key in keys:
        assert any(fnmatch.fnmatch(key, pattern) for pattern in patterns), key
    for pattern in patterns:
        assert fnmatch.filter(keys, pattern), pattern


@pytest.mark.parametrize("path", [page for page in PAGES if blocks_of(page)])
def test_page(demo, path):
    wrong = []
    for line, info, script, expected in blocks_of(path):
        done = run(demo, script)
        if (done.returncode != 0) != ("fails" in info.split()):
            wrong.append(f"{path}:{line}: ended with {done.returncode}:\n"
                         f"{script}{done.stdout}")
        elif expected is not None and not agrees(expected, done.stdout):
            wrong.append(f"{path}:{line}:\n{script}said\n{done.stdout}"
                         f"and the page says\n{expected}")
    assert not wrong, "\n".join(wrong)


def test_readme_asks(demo):
    script = readme_block()
    assert script.count("patrolctl") > 3
    done = run(demo, script)
    assert done.returncode == 0, done.stdout


def test_operator_knows_every_metric(demo):
    done = run(demo, "curl -s http://127.0.0.1:8080/metrics")
    names = set(re.findall(r"^(patrol_[a-z_]+)", done.stdout, re.M))
    assert names
    assert set(re.findall(r"patrol_[a-z]+_[a-z_]+", "\n".join(
        re.findall(r"^(?!psql|curl).*$", read(OPERATOR).split("### Metrics")[1]
                   .split("### Log lines")[0], re.M)))) == names


def test_operator_quotes_log_lines_that_are_written():
    """The words between the dots stand in a source of the programs."""
    source = ""
    for folder in ("gateway", "tracker-agent", "schema"):
        for path in glob.glob(os.path.join(TOP, folder, "**/*.c"), recursive=True):
            with open(path, encoding="utf-8") as text:
                source += re.sub(r'"(?: PRI\w+)?\s*"', "", text.read())
    table = read(OPERATOR).split("### Log lines")[1].split("\n## ")[0]
    lines = re.findall(r"`([^`]+)`", "".join(
        re.findall(r"^\| (.*?) \| .*\|$", table, re.M)[2:]))
    assert len(lines) > 15
    for line in lines:
        for words in filter(None, (part.strip(" ;:") for part in line.split("..."))):
            assert words in source, f"{line}: nobody writes \"{words}\""


@pytest.mark.parametrize("program", MANUALS)
def test_examples_of_manual(demo, program):
    section = read(MANUALS[program]).split("\n.Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    lines = re.findall(r"^\.Dl (.*)$", section, re.M)
    assert lines
    done = run(demo, "\n".join(lines))
    assert done.returncode == 0, done.stdout


def test_examples_of_help(demo, tmp_path):
    """In a directory with the demo's city files, as a newcomer would."""
    for name in ("havana.osm", "missions.csv", "zones.geojson"):
        shutil.copy(os.path.join(TOP, "deploy/havana", name), tmp_path)
    shutil.copy(os.path.join(TOP, "deploy/config/profiles.ini"), tmp_path)
    (tmp_path / "posts.csv").write_text(
        "name,lat,lon\nCalle 23 y L,23.1393,-82.3823\n", encoding="utf-8")

    def said(*words):
        return subprocess.run([os.path.join(BIN, "patrolctl"), *words, "--help"],
                              check=True, stdout=subprocess.PIPE, text=True).stdout

    commands = re.findall(r"^  ((?:[a-z]+ )+)", said().split("commands:")[1], re.M)
    assert len(commands) >= 16
    examples = [re.search(r"^example:\n  (.*)$", said(*one.split()), re.M)[1]
                for one in commands]
    # certificates need the authority
    for example in sorted(examples, key=lambda one: "ca init" not in one):
        done = run(demo, example, cwd=tmp_path)
        assert done.returncode == 0, f"{example}\n{done.stdout}"
