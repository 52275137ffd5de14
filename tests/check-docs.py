#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people read agrees with the code: manual pages, --help, the catalog, the shipped configuration."""

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path
from typing import NamedTuple

# The last three are built: lists are put into them.
ROOT, CTL, DAEMON, CATALOG, CTL_PAGE, CONFIG_PAGE, CONFIG = sys.argv[1:8]
del sys.argv[1:8]
BUILT_PAGES = {"vfioalignctl.1": CTL_PAGE, "vfioalignd.conf.5": CONFIG_PAGE}


def read(path):
    return (Path(ROOT) / path).read_text()


def plain(text):
    """scdoc's source without its marks."""
    return re.sub(r"\\(.)", r"\1", re.sub(r"(?<![\\\w])[*_]|[*_](?!\w)", "", text))


def sections(page):
    text = Path(BUILT_PAGES[page]).read_text() if page in BUILT_PAGES else read(f"man/{page}.scd")
    parts = re.split(r"^# (.+)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def help_of(program):
    return subprocess.run([program, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout


def findings():
    """(id, message id) of every row of audit/finding.c."""
    source = read("audit/finding.c")
    ids = dict(re.findall(r'\[(FINDING_\w+)\] = "([a-z-]+)"', source))
    messages = dict(re.findall(r'\[(FINDING_\w+)\] = \{.*?\.message_id = "(\w+)"', source, flags=re.S))
    assert ids and ids.keys() == messages.keys()
    return [(ids[name], messages[name]) for name in ids]


def fixes():
    """Every row of config/fix-id.c: its members."""
    source = read("config/fix-id.c")
    rows = re.findall(r"^        \[(FIX_\w+)\] = \{\n(.*?)^        \},\n", source, flags=re.M | re.S)
    order = re.findall(r"^        (FIX_\w+),$", read("config/fix-id.h"), flags=re.M)
    assert order and [id for id, _ in rows] == order
    result = []
    for id, text in rows:
        members = dict(re.findall(r"\.(\w+) = ((?:[^,\"]|\"(?:[^\"\\]|\\.)*\")*),", text))
        result.append({"id": id, **{name: "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', value)) or value
                                    for name, value in members.items()}})
    return result


def guest_fixes():
    mask = re.search(r"define FIXES_OF_GUEST(?:.*\\\n)*.*\n", read("config/fix-id.h"))[0]
    return [fix["name"] for fix in fixes() if f"FIX_BIT({fix['id']})" in mask]


COMMON = {"--color", "--no-pager", "--help"}


def without_options(line):
    """A verb with its arguments."""
    one = r"--[a-z-]+(?:\[=[A-Z]+\])?(?: [A-Z:+]+)?"
    return re.sub(rf" \[{one}(?:\|{one})*\]", "", line)


def options_with_help(text):
    """[(option, its argument with what stands before it, its help)] of what VERB --help prints."""
    return [(option, argument, text) for option, argument, text in
            re.findall(r"^  (?:-\w|  ) (--[a-z-]+)((?:\[=[A-Z]+\])|(?: [A-Z:+]+)|) +(\S.*)$", text, flags=re.M)]


def options_of_verb(verb):
    text = subprocess.run([CTL, verb, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [option for option, _, _ in options_with_help(text)]


def verbs_of_program():
    return re.findall(r"^  ([a-z]+)(?: .*)?\n {8}\S", help_of(CTL), flags=re.M)


def complete(*words):
    """What the last word can become."""
    run = subprocess.run([CTL, "complete", *words], stdout=subprocess.PIPE, text=True, check=True)
    return [line.split("\t")[0] for line in run.stdout.splitlines()]


class Manual(unittest.TestCase):
    def test_verbs(self):
        """Each verb has its arguments in --help, its options in its own --help, and both in the manual."""
        shown = re.findall(r"^  ([a-z]+(?: .*)?)\n {8}\S", help_of(CTL), flags=re.M)
        self.assertGreaterEqual(len(shown), 3)
        page = sections("vfioalignctl.1")
        verbs = [plain(v) for v in re.findall(r"^(\*[a-z]+\*.*)\n\t", page["VERBS"], flags=re.M)]
        # The verb that only libvirt calls is in the manual, and not in --help.
        self.assertEqual([without_options(v) for v in verbs if not v.startswith("hook ")], shown)
        for verb in verbs:
            name = verb.split()[0]
            run = subprocess.run([CTL, name, "--no-such-option"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            # 2 would be a state of the host to a monitoring system.
            self.assertEqual(run.returncode, 3 if name == "check" else 2, verb)
            if name == "hook":
                continue
            texts = [subprocess.run([CTL, name, option], stdout=subprocess.PIPE, text=True, check=True).stdout
                     for option in ("--help", "-h")]
            self.assertEqual(texts[0], texts[1])
            self.assertLessEqual(max(map(len, texts[0].splitlines())), 80)
            words = without_options(verb).split(" ", 1)[1:]
            self.assertEqual(texts[0].splitlines()[0], " ".join(["vfioalignctl", name, "[OPTION...]", *words]))
            self.assertEqual(set(options_of_verb(name)), set(re.findall(r"--[a-z-]+", verb)) | COMMON)
            for option, argument, text in options_with_help(texts[0]):
                self.assertRegex(text, r"^[a-z].*[\w;]$", option)
                # The manual says what it takes by the same word, and the program takes an argument where it says so.
                if option not in COMMON | {"--json"}:
                    self.assertIn(option + argument, verb)
                if argument.startswith(" "):
                    run = subprocess.run([CTL, name, option], stderr=subprocess.PIPE, text=True)
                    self.assertIn(f"option '{option}' requires an argument", run.stderr)
        self.assertEqual(subprocess.run([CTL, "no-such-verb"], stderr=subprocess.DEVNULL).returncode, 2)

    def test_options(self):
        """Each option is described, with the name of its argument."""
        described = re.findall(r"^(?:\*-\w\*, )?\*(--[a-z-]+)\*(.*)\n\t", sections("vfioalignctl.1")["OPTIONS"], flags=re.M)
        shown = {(option, argument) for verb in verbs_of_program() for option, argument, _ in
                 options_with_help(subprocess.run([CTL, verb, "--help"], stdout=subprocess.PIPE, text=True).stdout)}
        self.assertEqual({(option, plain(argument)) for option, argument in described}, shown | {("--version", "")})
        page = sections("vfioalignd.8")
        manual = set(re.findall(r"(?<!\w)--[a-z-]+", page["OPTIONS"]))
        self.assertEqual(manual, set(re.findall(r"(?<!\w)--[a-z-]+", help_of(DAEMON))))
        self.assertIn(help_of(DAEMON).splitlines()[0], plain(page["SYNOPSIS"]))

    def test_foreign_options(self):
        """A verb refuses what only other verbs take."""
        options = {option for verb in verbs_of_program() for option in options_of_verb(verb)}
        refused = 0
        for verb in "audit", "fleet", "row", "metrics", "check", "status":
            own = options_of_verb(verb)
            for option in sorted(options - set(own)):
                if any(o.startswith(option) for o in own):
                    continue  # it is short for that
                run = subprocess.run([CTL, verb, option], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.assertIn(f"unrecognized option '{option}'", run.stderr, verb)
                refused += 1
        self.assertGreater(refused, 60)

    def test_completion(self):
        """The shells are offered what there is (check-completion.py: by what they do with it)."""
        self.assertEqual(complete(""), verbs_of_program())
        self.assertEqual(set(complete("-")), COMMON | {"--version"})
        for verb in verbs_of_program():
            self.assertEqual(complete(verb, "--"), options_of_verb(verb), verb)
        self.assertEqual([word for word in complete("explain", "") if ":" not in word][:len(findings())],
                         [id for id, _ in findings()])
        self.assertEqual(complete("fix", "apply", ""), [fix["name"] for fix in fixes()])
        self.assertEqual(complete("guest", "apply", "NAME", ""), guest_fixes())
        severities = re.search(r"severity_table.*?};", read("audit/finding.c"), flags=re.S)[0]
        self.assertEqual(complete("audit", "--fail-on", ""), re.findall(r'= "(\w+)"', severities))
        tables = [verb for verb in verbs_of_program() if ("--output", " COLUMNS") in
                  [row[:2] for row in options_with_help(subprocess.run([CTL, verb, "--help"], stdout=subprocess.PIPE, text=True).stdout)]]
        self.assertGreater(len(tables), 4)
        for verb in tables:
            words = ["show"] if verb == "config" else []
            run = subprocess.run([CTL, verb, *words, "--output", "help"], stdout=subprocess.PIPE, text=True, check=True)
            self.assertEqual(complete(verb, "--output", ""), ["help"] + re.findall(r"^(\S+)  ", run.stdout, flags=re.M))
        for name in "vfioalignctl.bash", "_vfioalignctl", "vfioalignctl.fish":
            self.assertIn(" complete ", read(f"shell-completion/{name}"))

    def test_version(self):
        version = re.search(r"version: '([^']+)'", read("meson.build"))[1]
        for program in CTL, DAEMON:
            out = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertEqual(out, f"{Path(program).name} {version}\n")

    def test_findings(self):
        """Generated, so that only the generator can fail."""
        page = sections("vfioalignctl.1")["FINDINGS"]
        described = re.findall(r"^\*([a-z-]+)\* \([\w ;]+\)\n\t\S.{20,}\+\+\n\t\S.{20,}\+\+\n\tWhat helps: \S", page, flags=re.M)
        self.assertEqual(described, [id for id, _ in findings()])

    def test_limits(self):
        table = re.search(r"condition_table.*?};", read("audit/verdict.c"), flags=re.S)[0]
        described = re.findall(r"^\*([a-z-]+)\*\n\t", sections("vfioalignctl.1")["WHAT LIMITS A BAR"], flags=re.M)
        self.assertEqual(described, re.findall(r'= "([a-z-]+)"', table))

    def test_schema_words(self):
        """What the schema lets a member be is what the code can say."""
        schema = json.loads(read("fleet/audit.schema.json"))["$defs"]
        guest = schema["guest"]["properties"]["devices"]["items"]["properties"]
        device = schema["device"]["properties"]
        for words, file, table in [
            (schema["source"]["enum"], "util/fact", "fact_source"),
            (schema["fact"]["properties"]["value"]["enum"], "util/fact", "fact_value"),
            (schema["limit"]["enum"], "audit/verdict", "condition"),
            (schema["emulator"]["properties"]["generation"]["enum"], "facts/emulator/facts-emulator", "emulator_generation"),
            (schema["finding"]["properties"]["severity"]["enum"], "audit/finding", "severity"),
            (guest["kind"]["enum"], "facts/guest/facts-guest", "hostdev_kind"),
            (device["uses"]["items"]["properties"]["kind"]["enum"], "facts/device/device-use", "use_kind"),
            (device["claims"]["items"]["properties"]["tool"]["enum"], "facts/claims", "claim_tool"),
            (schema["iommus"]["properties"]["units"]["items"]["properties"]["type"]["enum"], "facts/device/facts-iommu", "iommu_type"),
            (schema["kernel"]["properties"]["thp"]["enum"], "facts/kernel/facts-kernel", "thp_mode"),
        ]:
            source = re.search(table + r"_table\[.*?\};", read(f"{file}.c"), flags=re.S)[0]
            self.assertEqual(words, re.findall(r'\] = "([a-z0-9.-]+)"', source), table)

    def test_bus(self):
        page, xml = sections("org.vfioalign1.5"), read("systemd/org.vfioalign1.xml")
        for section, kind in ("METHODS", "method"), ("PROPERTIES", "property"):
            described = re.findall(r"^\*(\w+)\*", page[section], flags=re.M)
            described = [name for i, name in enumerate(described) if name not in described[:i]]
            self.assertEqual(described, re.findall(rf'<{kind} name="(\w+)"', xml))

    def test_binding(self):
        """Every finding that can stand against a bind is named, and which --force goes past."""
        page = sections("vfioalignctl.1")
        ids = {id for id, _ in findings() if id.startswith("bind-")}
        named = set(re.findall(r"_(bind-[a-z-]+)_", page["BINDING"]))
        # That is the daemon's, of what it has bound.
        self.assertEqual(named, ids - {"bind-late"})
        self.assertIn("_bind-late_", sections("vfioalignd.8")["BINDING AT BOOT"])
        body = re.search(r"bool bind_is_forceable\(.*?\}", read("bind/bind-check.c"), flags=re.S)[0]
        names = dict(re.findall(r'\[(FINDING_\w+)\] = "([a-z-]+)"', read("audit/finding.c")))
        forceable = {names[name] for name in re.findall(r"FINDING_\w+", body)}
        described = re.search(r"^\*--force\*\n((?:\t.*\n)+)", page["OPTIONS"], flags=re.M)[1]
        self.assertEqual(set(re.findall(r"_(bind-[a-z-]+)_", described)), forceable)

    def test_bind_outcomes(self):
        """The schema and the code have the same outcomes, and each outcome has an event of the journal."""
        table = re.search(r"\boutcomes\[.*?\};", read("bind/outcome.c"), flags=re.S)[0]
        outcomes = re.findall(r'\] = \{ "(\w+)", ', table)
        self.assertGreater(len(outcomes), 5)
        group = json.loads(read("fleet/bind.schema.json"))["$defs"]["group"]["properties"]
        self.assertEqual(group["outcome"]["enum"], outcomes)
        self.assertEqual(re.findall(r"(\w+): ", group["outcome"]["description"]), outcomes)
        events = re.search(r"\bevents\[.*?\};", read("daemon/bind-outcome.c"), flags=re.S)[0]
        self.assertEqual([name.lower() for name in re.findall(r"\[BIND_(\w+)\] = ", events)], outcomes)
        severities = re.search(r"severity_table.*?};", read("audit/finding.c"), flags=re.S)[0]
        finding = json.loads(read("fleet/bind.schema.json"))["$defs"]["finding"]["properties"]
        self.assertEqual(finding["severity"]["enum"], re.findall(r'= "(\w+)"', severities))

    def test_fixes(self):
        """The manual has a paragraph on each, which begins with what the code says of it."""
        paragraphs = re.findall(r"^\*([a-z-]+)\*\n\t(.*)\n", sections("vfioalignctl.1")["FIXES"], flags=re.M)
        self.assertEqual([name for name, _ in paragraphs], [fix["name"] for fix in fixes()])
        for fix, (_, text) in zip(fixes(), paragraphs):
            does = fix["does"][0].upper() + fix["does"][1:]
            self.assertEqual(plain(text), f"{does}. Trade-off: {fix['price']}.")

    def test_guest_fixes(self):
        """The two tables and the manual have the same, in the same order."""
        source = read("fix/domain-fix.c").split("domain_fixes[DOMAIN_FIXES_MAX] = {")[1]
        names = {fix["id"]: fix["name"] for fix in fixes()}
        ids = [names[id] for id in re.findall(r"\.id = (FIX_\w+)", source)]
        self.assertEqual(ids, guest_fixes())
        self.assertEqual(re.findall(r"^\*([a-z-]+)\*\n\t", sections("vfioalignctl.1")["GUESTS"], flags=re.M), ids)
        fix = json.loads(read("fleet/guest.schema.json"))["$defs"]["fix"]["properties"]
        table = re.search(r"domain_edit_state_table\[.*?\};", read("fix/domain-edit.c"), flags=re.S)[0]
        self.assertEqual(fix["state"]["enum"], re.findall(r'\] = "(\w+)"', table))

    def test_exit_status(self):
        codes = re.findall(r"CTL_\w+ = (\d+)", read("ctl/ctl.h"))
        self.assertEqual(re.findall(r"^\*(\d+)\*$", sections("vfioalignctl.1")["EXIT STATUS"], flags=re.M), codes)


class Key(NamedTuple):
    section: str
    name: str
    default: str
    help: str


def keys_of_daemon():
    """What vfioalignd --help shows."""
    keys, current = [], None
    for section, name, default, text in re.findall(r"^(?:\[(.+)\]$|  (\w+)=(.*)\n {8}(\S.*)$)", help_of(DAEMON), flags=re.M):
        if section:
            current = section
        else:
            keys.append(Key(current, name, default, text))
    return keys


class Configuration(unittest.TestCase):
    def setUp(self):
        self.keys = keys_of_daemon()
        self.assertGreater(len(self.keys), 15)
        self.page = sections("vfioalignd.conf.5")

    def described(self, section):
        """[(key, its paragraph in the manual)]"""
        return re.findall(r"^\*(\w+)=\*\n\t((?:.*\n\t)*.*\n)", self.page[section], flags=re.M)

    def test_manual(self):
        """Each key has its place in the manual, with its default."""
        described = []
        for section in "Fix", "Guest", "Bind", "Export", "Device NAME":
            title = f"[{section.upper()}] SECTION" + ("S" if " " in section else "")
            for key, text in self.described(title):
                default = re.search(r"(?:Default:|The default is|Without this key it is)\s+\*([^*]+)\*\.", text)
                described.append((section, key, default[1] if default else ""))
        self.assertEqual(described, [key[:3] for key in self.keys if key.section != "Guest NAME"])
        for key in self.keys:
            if key.section == "Guest NAME":
                self.assertIn(f"*{key.name}=*", self.page["[GUEST NAME] SECTIONS"])

    def test_shipped(self):
        """The shipped file has all keys but those of sections with a name, each with the help of --help."""
        shipped, section, comment = [], None, []
        for line in Path(CONFIG).read_text().splitlines():
            if match := re.match(r"\[(\w+)\]", line):
                section = match[1]
            elif match := re.match(r"#(\w+)=(\S+)$", line):
                shipped.append((section, match[1], match[2]))
                help = [key.help for key in self.keys if key[:2] == shipped[-1][:2]]
                self.assertTrue(help and help[0] in comment, f"{match[1]}=: {help} is not in {comment}")
                comment = []
            elif line.startswith("# "):
                comment.append(line[2:])
        self.assertEqual(shipped, [key[:3] for key in self.keys if " " not in key.section])

    def test_words(self):
        """The words that a key takes are in the manual, too."""
        for key in self.keys:
            words = re.search(r" \(((?:\w+, )?\w+ or \w+)\)\.$", key.help)
            if key.section == "Fix" or not words:
                continue
            title = f"[{key.section.replace('Guest NAME', 'Guest').upper()}] SECTION" + ("S" if key.section == "Device NAME" else "")
            for word in re.findall(r"\w+", words[1].replace(" or ", " ")):
                self.assertIn(f"*{word}*", dict(self.described(title))[key.name])

    def test_examples(self):
        """What the manual and the shipped file show as an example is of the keys and words that there are."""
        help = {key.name: key.help for key in self.keys if " " in key.section}
        shown = self.page["EXAMPLES"] + Path(CONFIG).read_text().split("# [Device")[1]
        keys = re.findall(r"^(?:# )?(\w+)=(\S+)$", shown, flags=re.M)
        self.assertGreater(len(keys), 8)
        for key, value in keys:
            self.assertIn(key, help)
            if key in ("Bind", "OnUnaligned"):
                self.assertRegex(help[key], rf"\b{value}\b")


class Documents(unittest.TestCase):
    def test_paths(self):
        """What the documents name is there. NAME and … stand for any one."""
        for page in "README.md", "HACKING.md", "SECURITY.md", "docs/architecture.md", "docs/module.md":
            for path in re.findall(r"`(?!build/)([\w.-]+(?:/[\w.…-]*)+)(?=[` ])", read(page)):
                pattern = re.sub("NAME|…", "*", path.rstrip("/"))
                self.assertTrue(list(Path(ROOT).glob(pattern.replace("*/", "**/"))), f"{page} names {path}")

    def test_versions(self):
        """The newest released version of NEWS.md is the one that is built, or the one before it."""
        versions = re.findall(r"^## ([\d.]+)( \(not released\))?$", read("NEWS.md"), flags=re.M)
        built = re.search(r"version: '([\d.]+)'", read("meson.build"))[1]
        self.assertIn(built, [number for number, _ in versions][:2])
        self.assertEqual([bool(open) for _, open in versions[1:]], [False] * (len(versions) - 1))


class Catalog(unittest.TestCase):
    def test_entries(self):
        entries = re.split(r"^-- (\w+)\n", Path(CATALOG).read_text(), flags=re.M)
        texts = dict(zip(entries[1::2], entries[2::2]))
        self.assertEqual(len(texts), len(entries) // 2, "an id is there twice")
        messages = re.findall(r'#define (MESSAGE_\w+) "([0-9a-f]{32})"', read("daemon/messages.h"))
        self.assertTrue(messages)
        self.assertEqual(len(messages), read("daemon/messages.h").count("#define"))
        self.assertEqual(set(texts), {id for _, id in messages} | {id for _, id in findings()})
        for text in texts.values():
            header, body = text.split("\n\n", 1)
            self.assertRegex(header, r"^Subject: \S.*\nDefined-By: vfioalign\nDocumentation: man:vfioalignctl\(1\)$")
            self.assertGreater(len(body.strip()), 20)
        for id, message in findings():
            self.assertIn(f"The finding is {id},", texts[message])

    def test_compiles(self):
        """journalctl takes it."""
        import shutil
        import tempfile
        if not shutil.which("journalctl"):
            self.skipTest("no journalctl")
        with tempfile.TemporaryDirectory() as root:
            place = Path(root) / "usr/lib/systemd/catalog"
            place.mkdir(parents=True)
            shutil.copy(CATALOG, place / "vfioalignd.catalog")
            run = subprocess.run(["journalctl", "--update-catalog", f"--root={root}"], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
            self.assertEqual((run.returncode, run.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main()
