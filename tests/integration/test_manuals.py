"""Manual pages and completions say what the programs say of themselves."""
import os
import re
import subprocess

import pytest
import yaml

from lib_common import BIN, TOP

PAGES = {"patrolctl": "gateway/patrolctl/patrolctl.1",
         "patrol-gateway": "gateway/patrol-gateway.8",
         "tracker-agent": "tracker-agent/tracker-agent.8",
         "fleet-sim": "tests/fleet-sim/fleet-sim.1"}
SAMPLE = {"patrol-gateway": "--help-config", "tracker-agent": "--sample"}


def said_by(program, *arguments):
    return subprocess.run([os.path.join(BIN, program), *arguments], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def part(text, heading):
    """The lines under a heading, up to the next empty line."""
    return text.split(f"\n{heading}\n", 1)[1].split("\n\n", 1)[0].splitlines()


def commands():
    return [re.match(r" +((?:[a-z-]+ )+)", line)[1].strip()
            for line in part(said_by("patrolctl", "--help"), "commands:")]


def options_of(command):
    """--name and what it takes, as `patrolctl COMMAND --help` lists them."""
    found = {}
    for line in part(said_by("patrolctl", *command.split(), "--help"),
                     "options:"):
        one = re.match(r" +(-.)?,? +--([a-z-]+)( [A-Z]+)? ", line + " ")
        found[one[2]] = (one[1], (one[3] or "").strip())
    return found


def manual(program):
    with open(os.path.join(TOP, PAGES[program]), encoding="utf-8") as source:
        return source.read()


def items(text):
    """Options of `.It Fl` lines: {"mission": ("-m", "NAME")}."""
    found = {}
    for letter, name, argument in re.findall(
            r"^\.It (?:Fl (.) , )?Fl -([a-z-]+)(?: Ar (\S+))?$", text, re.M):
        found[name] = (f"-{letter}" if letter else None, argument)
    return found


def test_patrolctl_manual_has_every_command():
    sections = re.findall(r"^\.Ss (.+)$", manual("patrolctl"), re.M)
    assert sections == commands()


@pytest.mark.parametrize("command", commands())
def test_patrolctl_manual_has_every_option(command):
    page = manual("patrolctl")
    section = re.split(r"^\.S[sh] ", page.split(f"\n.Ss {command}\n")[1],
                       flags=re.M)[0]
    described = {**items(page.split("\n.Sh COMMANDS\n")[0]), **items(section)}
    assert described == options_of(command)
    synopsis = said_by("patrolctl", *command.split(), "--help").splitlines()[0]
    for argument in re.findall(r"(?<!\[)\b[A-Z]{3,}(?![\],])", synopsis):
        assert f".Ar {argument}" in section


def samples():
    """{program: {"section.name": (default, range or None)}}"""
    found = {}
    for program, option in SAMPLE.items():
        settings = found[program] = {}
        section = spread = None
        for line in said_by(program, option).splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line.startswith("; "):
                spread = re.search(r"\(([^()]+)\)$", line)
            elif line:
                name, _, value = line.lstrip(";").partition(" =")
                settings[f"{section}.{name}"] = (
                    value.strip(), spread[1] if spread else None)
    return found


@pytest.mark.parametrize("program", SAMPLE)
def test_manual_has_every_setting_with_default_and_range(program):
    described = {}
    text = manual(program).split("\n.Sh SETTINGS\n")[1].split("\n.Sh ")[0]
    for section in re.split(r"^\.Ss ", text, flags=re.M)[1:]:
        for item in re.split(r"^\.It Sy ", section, flags=re.M)[1:]:
            name, _, value = item.splitlines()[0].partition(" No =")
            about = re.sub(r"\s+", " ", " ".join(item.splitlines()[1:]))
            spread = re.search(r"\(([^()]+)\)\.", about)
            described[section.splitlines()[0].strip("[]") + "." + name] = (
                value.replace(" Ar ", "").strip(), spread[1] if spread else None)
    assert described == samples()[program]


@pytest.mark.parametrize("program", SAMPLE)
def test_manual_has_every_option_of_the_program(program):
    page = manual(program).split("\n.Sh SETTINGS\n")[0]
    described = set(re.findall(r"\bFl (-[a-z-]+|[a-zA-Z])\b",
                               "\n".join(re.findall(r"^\.It .*$", page, re.M))))
    usage = said_by(program, "--help").split("\n\n", 1)[1]
    left = [re.split(r"  +", line.strip())[0] for line in usage.splitlines()]
    listed = set(re.findall(r"(?<![\w-])-(-[a-z-]+|[a-zA-Z])\b", " ".join(left)))
    assert described == listed


def test_fleet_sim_manual_has_every_option_with_its_default():
    usage = said_by("fleet-sim", "--help").split("\n\n")[1]
    listed = {}
    for row in re.split(r"^  --", usage, flags=re.M)[1:]:
        name, argument = re.match(r"([a-z-]+) ?([A-Z]\S*)? ", row).groups("")
        default = re.search(r"\((\S+)\)", row)
        listed[name] = (argument, default[1] if default else None)
    assert len(listed) > 20
    assert listed["units"] == ("N", "10")
    page = manual("fleet-sim")
    options = page.split("\nThe options are:\n")[1].split("\n.El\n")[0]
    described = items(options)
    assert described.pop("help") == described.pop("version") == (None, "")
    assert described == {name: (None, argument)
                         for name, (argument, _) in listed.items()}
    for item in options.split("\n.It Fl -")[1:]:
        default = listed.get(item.split()[0], ("", None))[1]
        assert not default or f"{default} if not given" in " ".join(item.split())


# ------------------------------------------------------------- completions
def complete(file, function, *words):
    """What <TAB> offers behind these words. compopt speaks to a terminal
    only."""
    script = ('compopt() { :; }; . "$1"; function=$2; shift 2; COMP_WORDS=("$@"); '
              'COMP_CWORD=$(($# - 1)); "$function" "$1"; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(
        ["bash", "-c", script, "bash", os.path.join(TOP, "deploy/completion", file),
         function, *words],
        check=True, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PATROL_GATEWAY": "http://127.0.0.1:1",
             "LC_ALL": "C.UTF-8"})
    return set(done.stdout.split())


def patrolctl(*words):
    return complete("patrolctl", "_patrolctl", os.path.join(BIN, "patrolctl"),
                    *words)


def test_patrolctl_commands_are_completed():
    assert patrolctl("") == {one.split()[0] for one in commands()} | {
        "--help", "--version"}
    for command in commands():
        first, _, second = command.partition(" ")
        assert first in patrolctl(first[:-1])
        if second:
            assert second in patrolctl(first, second[:-1])


@pytest.mark.parametrize("command", commands())
def test_patrolctl_options_are_completed(command):
    expected = {f"--{name}" for name in options_of(command)}
    assert patrolctl(*command.split(), "-") == expected


def test_words_of_the_api_are_completed():
    with open(os.path.join(TOP, "schema/openapi.yaml"), encoding="utf-8") as source:
        schemas = yaml.safe_load(source)["components"]["schemas"]
    assert patrolctl("units", "--status", "") == set(schemas["Status"]["enum"])
    assert patrolctl("units", "--status", "=") == set(schemas["Status"]["enum"])
    assert patrolctl("unit", "add", "--kind", "") == set(schemas["Kind"]["enum"])


def test_without_a_gateway_nothing_is_offered():
    assert patrolctl("nearest", "--mission", "") == set()
    assert patrolctl("route", "") == set()


@pytest.mark.parametrize("program", SAMPLE)
def test_program_options_and_settings_are_completed(program):
    def offered(*words):
        return complete("patrol-gateway", "_patrol_program",
                        os.path.join(BIN, program), *words)

    usage = said_by(program, "--help")
    assert {"-c", "-o", "-n", "-d", "--help", "--version",
            SAMPLE[program]} <= offered("")
    assert all(option in usage for option in offered(""))
    settings = samples()[program]
    assert offered("-o", "") == {f"{name}=" for name in settings}
    assert offered("-o", "log.level", "=") == set(
        settings["log.level"][1].split())


def test_demo_options_are_completed():
    demo = os.path.join(TOP, "deploy/demo")
    usage = subprocess.run([demo, "--help"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    offered = complete("demo", "_patrol_demo", demo, "")
    assert offered == {"--help", *re.findall(r"--[a-z]+", usage),
                       *re.findall(r"deploy/demo ([a-z]+) ", usage)}
