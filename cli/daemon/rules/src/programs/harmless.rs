//! Options that start nothing, of programs with options without end.
//!
//! What always holds: of a program that stands here an option that does not is not known, whatever it is
//! called: what it starts is anybody's guess.

use crate::line::options::Options;
use crate::line::shell::Word;
use crate::line::words::{name_of, unversioned};

/// What is known to start nothing, of programs that are much alike.
struct Harmless {
    names: &'static [&'static str],
    options: Options,
    /// How options begin that carry their value themselves.
    starts: &'static [&'static str],
    /// Whether the first word that is no option is a script, and all behind it the script's.
    leads: bool,
}

const fn of(names: &'static [&'static str], flags: &'static [&'static str]) -> Harmless {
    Harmless { names, options: Options { flags, valued: &[] }, starts: &[], leads: false }
}

impl Harmless {
    /// Also these, each with a value.
    const fn valued(mut self, valued: &'static [&'static str]) -> Harmless {
        self.options.valued = valued;
        self
    }

    /// Also what begins so.
    const fn starts(mut self, starts: &'static [&'static str]) -> Harmless {
        self.starts = starts;
        self
    }

    /// What stands behind a script is the script's.
    const fn leads(mut self) -> Harmless {
        self.leads = true;
        self
    }

    fn is_known(&self, option: &str) -> bool {
        self.options.length(option).is_some()
            || self.starts.iter().any(|start| option.starts_with(start))
            || (is_compiler(self.names[0]) && is_compilers(option))
    }
}

const HARMLESS: &[Harmless] = &[
    of(&["cmake"], &["-N", "-v", "--fresh", "--list-presets", "--verbose", "--version"])
        .valued(&[
            "-B",
            "-G",
            "-S",
            "-j",
            "-t",
            "--build",
            "--config",
            "--install",
            "--parallel",
            "--preset",
            "--target",
        ])
        .starts(&[
            "-DCMAKE_BUILD_TYPE=",
            "-DCMAKE_EXPORT_COMPILE_COMMANDS=",
            "-DCMAKE_INSTALL_PREFIX=",
        ]),
    of(
        &["gradle", "gradlew"],
        &[
            "-i",
            "-q",
            "-s",
            "--console=plain",
            "--info",
            "--no-daemon",
            "--offline",
            "--quiet",
            "--stacktrace",
        ],
    )
    .valued(&["-x", "--tests"]),
    of(&["mvn", "mvnw"], &["-B", "-DskipTests", "-U", "-X", "-am", "-e", "-ntp", "-o", "-q"])
        .valued(&["-T", "-pl"]),
    of(&["psql"], &["-A", "-X", "-a", "-e", "-l", "-q", "-t", "-w", "-x", "--csv", "--no-psqlrc"])
        .valued(&[
            "-F",
            "-U",
            "-c",
            "-d",
            "-h",
            "-p",
            "--command",
            "--dbname",
            "--host",
            "--port",
            "--username",
        ]),
    of(
        &["sqlite", "sqlite3"],
        &[
            "-bail",
            "-batch",
            "-box",
            "-column",
            "-csv",
            "-header",
            "-json",
            "-line",
            "-list",
            "-noheader",
            "-readonly",
            "-safe",
            "-table",
            "--json",
            "--readonly",
        ],
    ),
    // Letters of theirs never stand together.
    of(COMPILERS, &[]).starts(&["-D", "-I", "-L", "-U", "-l", "-o", "-x"]),
    of(
        &["javac"],
        &[
            "-Werror",
            "-Xlint",
            "-deprecation",
            "-g",
            "-nowarn",
            "-parameters",
            "-proc:none",
            "-verbose",
            "-version",
            "--version",
        ],
    )
    .valued(&[
        "-classpath",
        "-cp",
        "-d",
        "-encoding",
        "-h",
        "-s",
        "-source",
        "-sourcepath",
        "-target",
        "--class-path",
        "--release",
        "--source",
        "--source-path",
        "--target",
    ])
    .starts(&["-Xlint:"]),
    of(&["rustc"], &["-O", "-V", "-g", "-v", "--help", "--test", "--verbose", "--version"]).valued(
        &[
            "-A",
            "-D",
            "-F",
            "-W",
            "-o",
            "--allow",
            "--cap-lints",
            "--cfg",
            "--color",
            "--crate-name",
            "--crate-type",
            "--deny",
            "--edition",
            "--emit",
            "--error-format",
            "--explain",
            "--forbid",
            "--out-dir",
            "--print",
            "--warn",
        ],
    ),
    // A number may be followed by further options in the same word: those with one are left out.
    of(
        &["less", "more"],
        &[
            "-E",
            "-F",
            "-G",
            "-I",
            "-L",
            "-M",
            "-N",
            "-Q",
            "-R",
            "-S",
            "-U",
            "-V",
            "-W",
            "-X",
            "-a",
            "-c",
            "-d",
            "-e",
            "-f",
            "-g",
            "-i",
            "-m",
            "-n",
            "-q",
            "-r",
            "-s",
            "-u",
            "-w",
            "--LINE-NUMBERS",
            "--RAW-CONTROL-CHARS",
            "--chop-long-lines",
            "--help",
            "--ignore-case",
            "--no-init",
            "--quit-at-eof",
            "--quit-if-one-screen",
            "--raw-control-chars",
            "--squeeze-blank-lines",
            "--version",
        ],
    ),
    of(
        &["man"],
        &[
            "-I",
            "-K",
            "-W",
            "-a",
            "-f",
            "-i",
            "-k",
            "-l",
            "-w",
            "--all",
            "--apropos",
            "--help",
            "--local-file",
            "--path",
            "--version",
            "--whatis",
            "--where",
        ],
    )
    .valued(&["-S", "-s", "--sections"]),
    of(
        VIMS,
        &[
            "-C",
            "-M",
            "-N",
            "-O",
            "-R",
            "-Z",
            "-b",
            "-d",
            "-f",
            "-g",
            "-h",
            "-m",
            "-n",
            "-o",
            "-p",
            "-v",
            "-y",
            "--clean",
            "--headless",
            "--help",
            "--noplugin",
            "--version",
        ],
    ),
    of(&["emacs"], &["-Q", "-nw", "-q", "--batch", "--no-window-system", "--quick", "--version"]),
    of(
        &["gdb", "lldb"],
        &["-batch", "-n", "-nh", "-nx", "-q", "-quiet", "--batch", "--quiet", "--version"],
    ),
    of(
        &["scp", "sftp"],
        &["-3", "-4", "-6", "-B", "-C", "-O", "-T", "-a", "-f", "-p", "-q", "-r", "-v"],
    )
    .valued(&["-J", "-P", "-c", "-i", "-l"]),
    // What tests an archive is another program; its letters may stand for it wherever they meet.
    of(
        &["zip"],
        &[
            "-0", "-1", "-2", "-3", "-4", "-5", "-6", "-7", "-8", "-9", "-D", "-FS", "-X", "-d",
            "-e", "-f", "-g", "-i", "-j", "-m", "-o", "-q", "-r", "-u", "-v", "-x", "-y",
        ],
    ),
    of(
        &["node", "nodejs"],
        &[
            "-c",
            "-h",
            "-v",
            "--check",
            "--enable-source-maps",
            "--experimental-strip-types",
            "--expose-gc",
            "--help",
            "--no-deprecation",
            "--no-warnings",
            "--test",
            "--test-only",
            "--trace-deprecation",
            "--trace-warnings",
            "--version",
            "--watch",
        ],
    )
    .starts(&[
        "--max-old-space-size=",
        "--stack-size=",
        "--test-concurrency=",
        "--test-name-pattern=",
        "--test-timeout=",
        "--unhandled-rejections=",
    ])
    .leads(),
    of(&["perl"], &["-T", "-W", "-c", "-t", "-v", "-w"]).leads(),
    of(&["ruby"], &["-U", "-W", "-c", "-v", "-w", "--version", "--yjit"]).leads(),
    of(&["php"], &["-i", "-l", "-m", "-n", "-q", "-v", "--version"]).valued(&["-f"]).leads(),
    of(&["lua", "luajit"], &["-E", "-W", "-v"]).leads(),
];

/// Compilers of C and its like.
const COMPILERS: &[&str] = &["gcc", "c++", "cc", "clang", "clang++", "g++"];

/// Editors that are all one.
pub(crate) const VIMS: &[&str] = &[
    "ex",
    "gview",
    "gvim",
    "nvim",
    "rview",
    "rvim",
    "vi",
    "view",
    "vim",
    "vim.basic",
    "vim.tiny",
    "vimdiff",
    "vimx",
];

/// Words of compilers behind their dash that name nothing to run; the value of some is the next word.
const COMPILERS_WORDS: &[&str] = &[
    "-help",
    "-version",
    "C",
    "E",
    "H",
    "M",
    "MD",
    "MF",
    "MG",
    "MM",
    "MMD",
    "MP",
    "MQ",
    "MT",
    "P",
    "S",
    "ansi",
    "arch",
    "c",
    "dM",
    "dumpmachine",
    "dumpversion",
    "fPIC",
    "fPIE",
    "idirafter",
    "imacros",
    "include",
    "iquote",
    "isystem",
    "no-pie",
    "nodefaultlibs",
    "nostartfiles",
    "nostdinc",
    "nostdinc++",
    "nostdlib",
    "pedantic",
    "pedantic-errors",
    "pie",
    "pipe",
    "pthread",
    "r",
    "rdynamic",
    "s",
    "save-temps",
    "shared",
    "static",
    "static-libgcc",
    "static-libstdc++",
    "target",
    "undef",
    "v",
    "w",
];

/// Options of compilers that take a value behind `=` that names nothing to run.
const COMPILERS_VALUED: &[&str] = &[
    "-fabi-version",
    "-fconstexpr-depth",
    "-fdebug-prefix-map",
    "-fdiagnostics-color",
    "-ffile-prefix-map",
    "-ffp-contract",
    "-flto",
    "-fmacro-prefix-map",
    "-fmax-errors",
    "-fopenmp",
    "-fsanitize",
    "-ftemplate-depth",
    "-ftls-model",
    "-fvisibility",
    "-march",
    "-mcpu",
    "-mfpu",
    "-mtune",
    "-std",
    "-stdlib",
    "--std",
    "--target",
];

/// Whether a program is such a compiler, also one for another machine.
pub(crate) fn is_compiler(name: &str) -> bool {
    let bare = unversioned(name);
    COMPILERS.contains(&bare)
        || bare.rsplit_once('-').is_some_and(|(_, last)| COMPILERS.contains(&last))
}

/// Whether an option of a compiler only says how it compiles.
fn is_compilers(option: &str) -> bool {
    let Some(word) = option.strip_prefix('-') else { return false };
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if let Some((name, _)) = option.split_once('=') {
        return COMPILERS_VALUED.contains(&name)
            || (name.starts_with("-W") && is_plain(&name[2..]));
    }
    match (word.chars().next(), word.get(1..).unwrap_or_default()) {
        _ if COMPILERS_WORDS.contains(&word) => true,
        // What names a file or a program stands behind a comma, a `=`, or in a word of its own.
        (Some('W'), rest) => is_plain(rest) && !rest.is_empty(),
        (Some('f'), rest) => is_plain(rest) && !rest.contains("plugin"),
        (Some('O'), rest) => is_number(rest) || matches!(rest, "fast" | "g" | "s" | "z"),
        (Some('g'), rest) => {
            is_number(rest)
                || rest.starts_with("dwarf") && is_plain(rest)
                || matches!(rest, "db" | "gdb" | "gdb3" | "line-tables-only" | "split-dwarf")
        }
        (Some('m'), rest) => {
            is_number(rest) || ["avx", "sse"].iter().any(|set| rest.starts_with(set))
        }
        _ => false,
    }
}

fn find(name: &str) -> Option<&'static Harmless> {
    let is = |of: &&Harmless| {
        of.names.contains(&name)
            || of.names.contains(&unversioned(name))
            || (is_compiler(of.names[0]) && is_compiler(name))
    };
    HARMLESS.iter().find(is)
}

/// Whether a program's harmless options are listed.
pub(crate) fn is_listed(name: &str) -> bool {
    find(name).is_some()
}

/// Why an option is not known, beyond the first `known` words, of a program of which those are listed that
/// start nothing.
pub(crate) fn unlisted(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    let harmless = find(name)?;
    let own = harmless.options.own(words);
    let unknown = |at: usize| !harmless.is_known(&words[at].text);
    // Behind an option that is not known nobody can tell the script from its value.
    let is_told = harmless.leads && !own.unknown.into_iter().any(unknown);
    let end = if is_told { own.end.min(words.len()) } else { words.len() };
    let is_odd = |text: &&str| {
        text.starts_with('-') && !matches!(*text, "-" | "--") && !harmless.is_known(text)
    };
    let mut beyond = words[..end].iter().skip(known).map(|word| word.text.as_str());
    let odd = beyond.find(is_odd)?;
    Some(format!("what `{name} {odd}` runs is not known"))
}
