"""What README and docs show is true: blocks of Python run and print what they say, links lead somewhere."""

import contextlib
import io
import pathlib
import re

import pytest

from skcurv.solvers import SOLVERS

ROOT = pathlib.Path(__file__).parents[1]
PAGES = {str(path.relative_to(ROOT)): path for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(page):
    """(language, content, number of its first line) of each fenced block."""
    text = PAGES[page].read_text(encoding="utf-8")
    return [(m[1], m[2], text.count("\n", 0, m.start(2)) + 1) for m in BLOCK.finditer(text)]


def _run(page, code, line, names):
    """What the code prints; errors point at the page's own lines."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * (line - 1) + code, str(PAGES[page]), "exec"), names)
    return printed.getvalue()


@pytest.mark.parametrize("page", [page for page in PAGES if any(b[0] == "python" for b in _blocks(page))])
def test_python_blocks_run_and_print_the_text_block_after_them(page):
    """The blocks of a page run one after the other, in one namespace."""
    names, blocks = {"__name__": "page"}, _blocks(page)
    for (language, code, line), (following, text, _) in zip(blocks, [*blocks[1:], ("", "", 0)], strict=True):
        if language == "python":
            printed = _run(page, code, line, names)
            assert printed == (text if following == "text" else ""), f"{page}, line {line}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = PAGES[page].read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (PAGES[page].parent / target).is_file()] == []


def test_the_readme_has_two_commands_that_make_their_environment():
    commands = [content for language, content, _ in _blocks("README.md") if language == "sh"]
    assert [command.count("\n") for command in commands] == [1, 1]
    main, tests = commands
    assert re.search(r"python3 -m venv (\S+) && \1/bin/pip install .* && \1/bin/python examples/", main)
    assert re.search(r"python3 -m venv (\S+) && \1/bin/pip install .* && .*\1/bin/python -m pytest", tests)


def test_the_readme_table_says_what_the_solvers_do():
    rows = re.findall(
        r'^\| `"(\S+)"` \| `(\w+)` \| (\S+) \| (\S+) \|', PAGES["README.md"].read_text(encoding="utf-8"), re.MULTILINE
    )
    shown = {name: (cls, rate, rows) for name, cls, rate, rows in rows}
    n = 10**6
    facts = {}
    for name, cls in SOLVERS.items():
        solver = cls()
        size = solver.batch_size(n)
        rate = str(getattr(solver, "learning_rate", None) or "none")
        facts[name] = (cls.__name__, rate, "all" if size == n else str(size))
    assert shown == facts


@pytest.mark.parametrize("name", SOLVERS)
def test_the_page_of_solvers_has_the_default_rates(name):
    text = PAGES["docs/solvers.md"].read_text(encoding="utf-8")
    section = re.search(rf"^### `{name}`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)[1]
    rate = getattr(SOLVERS[name](), "learning_rate", None)
    assert re.findall(r"η = ([0-9.]*[0-9])", section) == ([] if rate is None else [str(rate)])
