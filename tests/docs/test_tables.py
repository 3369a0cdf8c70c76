"""The tables of the documentation against the sources: what is new in one must be in the other."""

import json
import re

from library import ROOT, Account
from markdown import table, words

PAGE = (ROOT / "docs" / "json.md").read_text()


def source(path):
    """Without the tests at its end."""
    return (ROOT / "src" / path).read_text().partition("#[cfg(test)]")[0]


def everything():
    return "".join(source(path.relative_to(ROOT / "src")) for path in sorted((ROOT / "src").rglob("*.rs")))


def same(documented, real):
    documented = list(documented)
    assert sorted(documented) == sorted(set(documented)), "something is there twice"
    assert set(documented) == set(real)


def screaming(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def test_statuses():
    header = (ROOT / "include" / "mailbutton.h").read_text()
    real = {name: int(number) for name, number in re.findall(r"#define MAILBUTTON_(\w+) (-?\d+)$", header, re.M)}
    del real["ABI_VERSION"]
    assert {words(row[1])[0]: int(row[0]) for row in table("json.md", "status", "name")} == real


def endings():
    """Each reason of an ending with its status."""
    reasons = source("transport/ending.rs").partition("fn reason")[2].partition("\n    }\n")[0]
    names = dict(re.findall(r'Self::(\w+) => "(\w+)"', reasons))
    body = source("account/report.rs").partition("fn status_of")[2].partition("\n}")[0]
    found = {}
    for left, status in re.findall(r"((?:\|?\s*E::\w+\s*)+)=>\s*\{?\s*Status::(\w+)", body):
        for name in re.findall(r"E::(\w+)", left):
            found[names[name]] = screaming(status)
    assert set(found) == set(names.values())
    return found


def test_reasons():
    text = "".join(source(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "account").glob("*.rs"))
    text += source("reply/mod.rs") + source("reply/answer.rs") + source("ffi/mod.rs") + source("ffi/arguments.rs")
    real = {reason: {status} for reason, status in endings().items()}

    def add(status, reason):
        real.setdefault(reason, set()).add(screaming(status))

    for reason in re.findall(r'Answer::ok\(\s*"(\w+)"', text):
        add("Ok", reason)
    for status, reason in re.findall(r'(?:Answer|Self)::new\(\s*Status::(\w+),\s*"(\w+)"', text):
        add(status, reason)
    for status, reason in re.findall(r'\(Status::(\w+), "(\w+)",', text):
        add(status, reason)
    for reason in re.findall(r'StoreErrorKind::\w+ => "(\w+)"', text):
        add("StoreFailed", reason)
    for reason in re.findall(r'(?:self\.refuse|bad_argument)\(\s*(?:None, )?"(\w+)"', text):
        add("BadCall", reason)
    documented = {}
    for row in table("json.md", "reason", "status"):
        for reason in words(row[0]):
            assert reason not in documented
            documented[reason] = set(words(row[1]))
    assert documented == real


def test_fields():
    with Account() as account:
        fields = {field["key"]: field for field in account.form()["form"]["fields"]}
    rows = table("json.md", "key", "type", "default")
    assert [words(row[0])[0] for row in rows] == list(fields)
    for key, kind, default, *_ in rows:
        field = fields[words(key)[0]]
        assert words(kind) == [field["type"]]
        shown = {"true": True, "false": False}
        expected = shown.get(words(default)[0], words(default)[0]) if default else (None if kind in ("`secret`", "`port`") else "")
        assert field["value"] == expected, key
        assert all(f"`{choice['value']}`" in PAGE for choice in field["choices"] or [])


def test_codes_of_errors():
    texts = (ROOT / "src" / "guide" / "texts" / "en.ftl").read_text()
    rust = everything()
    used = {code for code in re.findall(r"^fault-([a-z0-9_]+)", texts, re.M) if f'"{code}"' in rust}
    rows = table("json.md", "a person's to mend") + table("json.md", "the program's to mend")
    same((code for row in rows for code in words(row[0])), used)


def test_codes_are_blamed_on_whom_the_tables_blame():
    rust = everything()
    program = {code for row in table("json.md", "the program's to mend") for code in words(row[0])}
    person = {code for row in table("json.md", "a person's to mend") for code in words(row[0])}
    said = {
        kind: set(re.findall(rf'Fault::{kind}\((?:[^()"]|\([^()]*\))*,\s*"(\w+)"', rust)) for kind in ("program", "input")
    }
    assert len(said["program"]) > 15 and len(said["input"]) > 15
    assert said["program"] - program - {"choice_unknown"} == set()
    assert said["input"] - person == set()


def test_codes_of_checks():
    real = re.findall(r'Warning::new\([^()]*"(\w+)"\)', everything())
    same((words(row[0])[0] for row in table("json.md", "warning")), real)


def test_codes_of_advice():
    catalogue = json.loads((ROOT / "src" / "guide" / "problems.json").read_text())
    lists = [*catalogue["groups"].values(), *(row["advice"] for row in catalogue["problems"])]
    found = {each if isinstance(each, str) else each.get("code") for advice in lists for each in advice} - {None}
    listed = re.search(r"\bCodes: (.*?)\.$", PAGE, re.M | re.S)[1]
    found |= set(re.findall(r'code: "(\w+)"', source("account/repair.rs")))
    same(words(listed), found)


def test_steps_and_outcomes():
    ending = source("transport/ending.rs")
    steps, _, rest = ending.partition("enum Ending")
    for code in re.findall(r'=> "(\w+)"', steps) + re.findall(r'=> "(\w+)"', rest.partition("enum Outcome")[2]):
        assert f"`{code}`" in PAGE, code


def test_options_and_their_defaults():
    options = source("account/options.rs")
    real = re.findall(r'object\.(?:text|object|number|list|take)\("(\w+)"', options)
    same((words(row[0])[0] for row in table("json.md", "option", "type")), real)
    defaults = dict(re.findall(r"(\w+): Duration::from_secs\((\d+)\)", source("transport/deadlines.rs")))
    documented = {words(row[0])[0]: row[1] for row in table("json.md", "deadline", "default")}
    assert documented == {**{f"{key}_ms": f"{seconds}000" for key, seconds in defaults.items()}, "total_ms": "none"}


def test_members_that_go_in():
    for path, heading, whole in (
        ("email/request.rs", "`document` | object", False),
        ("account/button.rs", "`kind` | text", False),
    ):
        taken = set(re.findall(r'(?:\.(?:text|object|list|flag|number|take)\(|take\((?:object, )?)"(\w+)"', source(path)))
        assert taken and all(re.search(rf"[`\"]{key}[`\"]", PAGE) for key in taken), taken


def test_other_lists_of_codes():
    for path, pattern in (
        ("form/check.rs", r'warnings\.push\(\("\w+", "(\w+)"\)\)'),
        ("account/saved.rs", r'Protection::\w+(?:\(_\))? => "(\w+)"'),
        ("account/report.rs", r'put\("(\w+)"'),
        ("account/report.rs", r'Role::\w+ => "(\w+)"'),
    ):
        codes = re.findall(pattern, source(path))
        assert codes and all(f"`{code}`" in PAGE for code in codes), (path, codes)


def test_languages():
    real = {path.stem for path in (ROOT / "src" / "guide" / "texts").glob("*.ftl")}
    same(words(re.search(r"^Texts are there in (.*?)\.", PAGE, re.M | re.S)[1]), real)
