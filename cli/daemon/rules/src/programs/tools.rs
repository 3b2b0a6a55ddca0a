//! Linters, builders, version control and such, that run what an option says.
//!
//! What always holds: of a program that does not stand here, nor anywhere else, an option is judged by its
//! name alone; one whose name says nothing of that is trusted.

use crate::line::shell::Word;
use crate::line::words::{RUNNERS, SHELLS, is_option, name_of, unversioned};
use crate::programs::carriers::Carrier;
use crate::programs::harmless;
use crate::programs::known::is_named;
use crate::programs::named::module;

/// A program that runs what an option says.
struct Tool {
    names: &'static [&'static str],
    /// By these, whatever they are called.
    runs: &'static [&'static str],
    /// By these it does not, although their names say so.
    plain: &'static [&'static str],
    /// Its subcommands that run nothing, where any other may be somebody's own, or say what runs.
    subcommands: &'static [&'static str],
    /// Whether `X=y` among its words may say what runs.
    assigns: bool,
    /// Whether `@file` stands for further words.
    reads: bool,
}

const fn tool(names: &'static [&'static str], runs: &'static [&'static str]) -> Tool {
    Tool { names, runs, plain: &[], subcommands: &[], assigns: false, reads: false }
}

impl Tool {
    const fn plain(mut self, plain: &'static [&'static str]) -> Tool {
        self.plain = plain;
        self
    }

    const fn subcommands(mut self, subcommands: &'static [&'static str]) -> Tool {
        self.subcommands = subcommands;
        self
    }

    const fn assigns(mut self) -> Tool {
        self.assigns = true;
        self
    }

    const fn reads(mut self) -> Tool {
        self.reads = true;
        self
    }
}

const TOOLS: &[Tool] = &[
    tool(&["ack"], &["--ackrc", "--pager"]),
    tool(&["ag"], &["--pager"]),
    tool(
        &["ar", "as", "ld", "nm", "objcopy", "objdump", "ranlib", "readelf", "size", "strip"],
        &["--plugin"],
    )
    .reads(),
    tool(&["bat", "batcat"], &[]),
    tool(&["bazel", "bazelisk"], &["--bazelrc", "--credential_helper", "--override_repository"])
        .plain(&["--config"]),
    tool(&["black", "ruff"], &[]).plain(&["--config", "--extension"]).reads(),
    // What it builds with is told what to run behind `--`.
    tool(&["cmake"], &[]).assigns(),
    tool(&["ctest"], &["-D", "-M", "-S", "-T", "--build-and-test", "--build-makeprogram"]),
    tool(&["ctest"], &["--dashboard", "--overwrite"]).plain(&["--build-config"]),
    tool(&["cvs"], &["-d", "-e"]),
    tool(&["dc"], &["-e", "-f", "--expression", "--file"]),
    tool(&["duckdb"], &["-c", "-cmd", "-init", "-s"]),
    tool(&["eslint"], &["-c", "-f", "--format", "--parser", "--resolve-plugins-relative-to"]),
    tool(&["eslint"], &["--rulesdir"]).plain(&["--ext"]),
    tool(&["flake8"], &["--append-config", "--config"]),
    tool(&["gcovr"], &["--config", "--gcov-executable"]),
    tool(&["gdbserver"], &["--wrapper"]),
    // Behind `--` stand options of git's.
    tool(&["gh"], &["--"]).subcommands(&[
        "api",
        "attestation",
        "auth",
        "browse",
        "cache",
        "completion",
        "gist",
        "gpg-key",
        "help",
        "issue",
        "label",
        "org",
        "pr",
        "project",
        "release",
        "repo",
        "ruleset",
        "run",
        "search",
        "secret",
        "ssh-key",
        "status",
        "variable",
        "version",
        "workflow",
    ]),
    // What stands in another home, or in options of one, names programs, too.
    tool(&["gpg", "gpgsm", "gpgv"], &["--agent-program", "--dirmngr-program", "--exec-path"]),
    tool(&["gpg", "gpgsm", "gpgv"], &["--homedir", "--keyboxd-program", "--load-extension"]),
    tool(&["gpg", "gpgsm", "gpgv"], &["--options", "--photo-viewer"]),
    tool(&["helm"], &["--kubeconfig"]).subcommands(&[
        "completion",
        "create",
        "dependency",
        "env",
        "get",
        "help",
        "history",
        "install",
        "lint",
        "list",
        "ls",
        "package",
        "pull",
        "push",
        "registry",
        "repo",
        "rollback",
        "search",
        "show",
        "status",
        "template",
        "test",
        "uninstall",
        "upgrade",
        "verify",
        "version",
    ]),
    tool(&["hg"], &["-R", "-e", "--config", "--remotecmd", "--repository", "--ssh", "--tool"])
        .subcommands(&[
            "add",
            "addremove",
            "annotate",
            "archive",
            "blame",
            "bookmarks",
            "branch",
            "branches",
            "cat",
            "ci",
            "clone",
            "commit",
            "copy",
            "cp",
            "diff",
            "files",
            "forget",
            "graft",
            "grep",
            "heads",
            "help",
            "id",
            "identify",
            "in",
            "incoming",
            "init",
            "log",
            "manifest",
            "merge",
            "move",
            "mv",
            "out",
            "outgoing",
            "parents",
            "paths",
            "phase",
            "pull",
            "push",
            "remove",
            "rename",
            "resolve",
            "revert",
            "rm",
            "root",
            "st",
            "status",
            "summary",
            "tag",
            "tags",
            "tip",
            "up",
            "update",
            "verify",
            "version",
        ]),
    tool(&["java"], &["-XX:Flags", "-XX:OnError", "-XX:OnOutOfMemoryError", "-XX:VMOptionsFile"])
        .reads(),
    tool(&["jj"], &["-R", "--repository"]).subcommands(&[
        "abandon",
        "absorb",
        "b",
        "bookmark",
        "commit",
        "describe",
        "diff",
        "diffedit",
        "duplicate",
        "edit",
        "evolog",
        "file",
        "git",
        "help",
        "interdiff",
        "log",
        "new",
        "next",
        "op",
        "operation",
        "parallelize",
        "prev",
        "rebase",
        "resolve",
        "restore",
        "revert",
        "root",
        "show",
        "sparse",
        "split",
        "squash",
        "st",
        "status",
        "tag",
        "undo",
        "version",
        "workspace",
    ]),
    tool(&["genhtml", "geninfo", "lcov"], &["--annotate-script", "--config-file"]),
    tool(&["genhtml", "geninfo", "lcov"], &["--context-script", "--criteria-script"]),
    tool(&["genhtml", "geninfo", "lcov"], &["--gcov-tool", "--rc", "--resolve-script"]),
    tool(&["genhtml", "geninfo", "lcov"], &["--select-script", "--simplify-script"]),
    tool(&["genhtml", "geninfo", "lcov"], &["--version-script"]),
    tool(&["meson"], &["--cross-file", "--gdb", "--gdb-path", "--native-file", "--ninja-args"])
        .subcommands(&[
            "compile",
            "configure",
            "dist",
            "help",
            "init",
            "install",
            "introspect",
            "rewrite",
            "setup",
            "subprojects",
            "test",
            "wrap",
        ]),
    tool(&["meson"], &["--wrapper"]),
    tool(&["mypy"], &["--config-file", "--install-types", "--python-executable"]).reads(),
    tool(&["nix-build", "nix-env", "nix-instantiate", "nix-shell"], &["-E", "-p", "--expr"]),
    tool(&["npm", "npx", "pnpm", "yarn"], &["--browser", "--git", "--viewer"]),
    tool(&["openssl"], &["-config", "-engine", "-provider", "-provider-path"]),
    tool(&["pandoc"], &["-F", "-L", "--filter", "--lua-filter", "--pdf-engine"]).plain(&[
        "--extract-media",
        "--to",
        "--wrap",
    ]),
    tool(&["prettier"], &[]).plain(&["--prose-wrap"]),
    tool(&["pylint"], &["--init-hook", "--load-plugins", "--rcfile"]),
    tool(&["rake"], &["-E", "-I", "-R", "-e", "-f", "-p", "-r", "--libdir", "--rakefile"])
        .assigns(),
    tool(&["rake"], &["--execute", "--rakelibdir", "--require"]),
    tool(&["rpm"], &["-D", "-E", "--define", "--macros", "--predefine", "--rcfile"]),
    tool(&["svn"], &["--config-dir", "--diff3-cmd"]),
    tool(&["scons"], &["-f", "--file", "--makefile", "--sconstruct"]).assigns(),
    tool(&["tcpdump"], &["-z"]),
    tool(&["tox"], &["-c", "-x", "--conf", "--override", "exec"]),
    tool(&["tsc"], &[]).reads(),
];

/// Words in the name of an option that speak of running something, or of where that is taken from.
const TELLING: &[&str] = &[
    "askpass",
    "cmd",
    "command",
    "config",
    "editor",
    "eval",
    "evaluate",
    "exec",
    "executable",
    "execute",
    "extension",
    "hook",
    "import",
    "interpreter",
    "invoke",
    "launcher",
    "linker",
    "load",
    "loader",
    "pager",
    "pipe",
    "plugin",
    "preload",
    "preprocessor",
    "program",
    "renderer",
    "require",
    "rsh",
    "script",
    "shell",
    "ssh",
    "startup",
    "tool",
    "viewer",
    "wrapper",
];

/// What stands in front of such a word to say that it is not done.
const DENYING: &[&str] = &["disable", "ignore", "no", "skip", "without"];

/// Everyday words that are one shortened: not taken for it where nothing stands behind that may be run.
const EVERYDAY: &[&str] = &[
    "as", "ask", "edit", "ext", "in", "link", "page", "pre", "render", "start", "to", "view",
    "wrap",
];

/// Those of them that are none where they are the whole name.
const SMALL: &[&str] = &["as", "ask", "ext", "in", "pre", "to"];

/// Behind one dash from as many letters on the last word of a name may be one shortened; fewer are letters.
const SHORT_MIN: usize = 4;

/// Programs that run another one by its name, and pass on what stands behind.
const PASSING: &[&str] =
    &["bundle", "bunx", "npx", "pipenv", "pipx", "pnpm", "poetry", "rye", "uv", "uvx", "yarn"];

/// Programs that pass what stands behind `--` on to a script.
const SCRIPTED: &[&str] = &["npm", "pnpm", "yarn"];

fn of(name: &str) -> impl Iterator<Item = &'static Tool> {
    let is = move |names: &[&str]| names.contains(&name) || names.contains(&unversioned(name));
    TOOLS.iter().filter(move |tool| is(tool.names))
}

/// Whether a program stands here.
pub(crate) fn is_tool(name: &str) -> bool {
    of(name).next().is_some()
}

/// Why a program runs what an option says, or may do so by the option's name; what stands among the first
/// `known` words is not looked at.
pub(crate) fn told(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    own(words, known).or_else(|| {
        if let Some(inner) = module(words) {
            // The name of what runs is the user's own, too.
            return own(&inner, (known + inner.len()).saturating_sub(words.len()).max(1));
        }
        let is_passed = |at: &usize| is_tool(name_of(&words[*at..]));
        // Who names no more than what runs it has not named the other one.
        let end = if known > 1 { known.min(words.len()) } else { words.len() };
        let at = (1..end).find(is_passed).filter(|_| PASSING.contains(&name))?;
        own(&words[at..], known.saturating_sub(at).max(1))
    })
}

fn own(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    let beyond = words.get(known..).unwrap_or_default();
    let runs = |text: &str| Some(format!("`{name} {text}` may run what it is told"));
    for tool in of(name) {
        if !tool.subcommands.is_empty()
            && let Some(at) = (1..words.len()).find(|at| !words[*at].text.starts_with('-'))
            && at >= known
            && !(words[at].is_literal && tool.subcommands.contains(&words[at].text.as_str()))
        {
            return runs(&words[at].text);
        }
        let is_told = |word: &&Word| {
            let text = word.text.as_str();
            tool.runs.iter().any(|option| is_option(text, option))
                || (tool.assigns && text.contains('=') && !text.starts_with('-'))
                || (tool.reads && text.starts_with('@'))
        };
        if let Some(word) = beyond.iter().find(is_told) {
            return runs(&word.text);
        }
    }
    let is_plain = |text: &str| of(name).any(|tool| tool.plain.contains(&text));
    let speaks = |at: &usize| {
        let option = beyond[*at].text.split('=').next().unwrap_or_default();
        !is_plain(option) && speaks(option, given(beyond, *at))
    };
    // What stands behind `--` is a script's.
    let is_over = |word: &Word| SCRIPTED.contains(&name) && word.text == "--";
    let end = beyond.iter().position(is_over).unwrap_or(beyond.len());
    let found = (0..end).filter(|_| is_judged_by_name(name)).find(speaks);
    found.and_then(|at| runs(&beyond[at].text))
}

/// What an option may be given to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// Nothing.
    Nothing,
    /// A number, or a date.
    Number,
    /// Something that may be a program.
    Something,
}

/// What the option at `at` is given: behind its `=`, or by the next word.
fn given(words: &[Word], at: usize) -> Given {
    let is_number = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_digit() || ".,:-".contains(c))
    };
    let (word, text) = match (words[at].text.split_once('='), words.get(at + 1)) {
        (Some((_, value)), _) => (&words[at], value),
        (None, Some(next)) if !next.text.starts_with('-') || !next.is_literal => {
            (next, next.text.as_str())
        }
        _ => return Given::Nothing,
    };
    if word.is_literal && is_number(text) { Given::Number } else { Given::Something }
}

/// Whether nobody looked at all options of a program.
fn is_judged_by_name(name: &str) -> bool {
    let is_known = RUNNERS.contains(&name)
        || SHELLS.contains(&unversioned(name))
        || Carrier::of(name).is_some()
        || is_named(name);
    // All of a script's words stand behind the one that has it run.
    let is_script = name == "java";
    (is_tool(name) && !is_script || !is_known) && !harmless::is_listed(name)
}

/// Whether the name of an option speaks of running something, also where it is shortened.
fn speaks(option: &str, given: Given) -> bool {
    let Some(name) = option.strip_prefix('-') else { return false };
    let (name, short_min) = match name.strip_prefix('-') {
        Some(name) => (name, 1),
        None => (name, SHORT_MIN),
    };
    let parts = parts(name);
    if parts.first().is_some_and(|first| DENYING.contains(&first.as_str())) {
        return false;
    }
    let is_one = |part: &String| {
        let one = part.strip_suffix('s').unwrap_or(part);
        TELLING.contains(&part.as_str()) || TELLING.contains(&one)
    };
    let is_short = |part: &String| {
        let is = |words: &[&str]| words.contains(&part.as_str());
        let is_everyday = is(EVERYDAY) && given == Given::Nothing;
        part.len() >= short_min
            && given != Given::Number
            && !(is_everyday || (is(SMALL) && parts.len() == 1))
            && TELLING.iter().any(|telling| telling.starts_with(part.as_str()))
    };
    let begins = |first: &str, next: &[&str]| {
        parts.first().is_some_and(|own| own == first)
            && (next.is_empty() || parts.get(1).is_some_and(|own| next.contains(&own.as_str())))
    };
    parts.iter().any(is_one)
        || parts.last().is_some_and(is_short)
        // `--on-success`, `--run`, `--run-under`, but not `--run-in-band`.
        || (begins("on", &[]) && parts.len() > 1)
        || name == "run"
        || begins("run", &["as", "by", "under", "with"])
}

/// The words in a name: `script-shell`, `run_under`, `globalSetup`, `config.shell`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let is_new = !c.is_alphanumeric() || (c.is_uppercase() && was_lower);
        if is_new {
            parts.push(String::new());
        }
        if let Some(last) = parts.last_mut().filter(|_| c.is_alphanumeric()) {
            last.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_option_speaks_of_running_something() {
        for option in [
            "--init-hook",
            "--config",
            "--config.script-shell",
            "--conf",
            "--plugin",
            "--plugins",
            "--plug",
            "--python-executable",
            "--run_under",
            "--run",
            "--post-renderer",
            "--diff-cmd",
            "--pager",
            "--load-plugins",
            "--onSuccess",
            "--on-download-complete",
            "--lua-script",
            "--scriptShell",
            "--wrapper",
            "-exec",
            "-load",
            "--append-c",
            "--gcov-t",
            "--agent-pro",
            "--log-p",
        ] {
            assert!(speaks(option, Given::Nothing), "{option}");
        }
        for option in [
            "x",
            "-",
            "--",
            "-x",
            "-c",
            "--verbose",
            "--version",
            "--fix",
            "--dry-run",
            "--runInBand",
            "--no-config",
            "--no-plugins",
            "--ignore-scripts",
            "--output",
            "--page",
            "--render",
            "--prose-wrap",
            "--progress",
            "--interactive",
            "--check",
            "--max-warnings",
            "--paging",
            "--line-length",
            "--extend-ignore",
        ] {
            assert!(!speaks(option, Given::Nothing), "{option}");
        }
    }

    #[test]
    fn an_everyday_word_is_one_shortened_where_it_is_given_what_may_run() {
        let speaks = |text: &str| {
            let words: Vec<Word> = text.split(' ').map(Word::plain).collect();
            let option = words[0].text.split('=').next().unwrap_or_default();
            super::speaks(option, given(&words, 0))
        };
        for text in ["--wrap=rm", "--wrap ./x", "--page less", "--re-link x", "--log-in ./x"] {
            assert!(speaks(text), "{text}");
        }
        for text in ["--wrap=0", "--page 2", "--start 2026-11-21", "--edit", "--edit -m", "--to x"]
        {
            assert!(!speaks(text), "{text}");
        }
    }
}
