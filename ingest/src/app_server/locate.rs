//! Finding a `codex` that can be run: the native binary, never the Node wrapper around it.
//!
//! What always holds: an explicit path is the only one tried; else PATH comes first, then the tool
//! folders, newest version first. A wrapper script is resolved to the binary in its own package, in
//! every layout from 0.80 to 0.169:
//!
//! ```text
//!  PKG/bin/codex.js                                         the wrapper
//!  PKG/vendor/TRIPLE/codex/codex                            0.80, 0.98
//!  PKG/../codex-PLATFORM/vendor/TRIPLE/codex/codex          0.115, 0.125
//!  PKG/../codex-PLATFORM/vendor/TRIPLE/bin/codex            from 0.142
//!  PKG/node_modules/@openai/codex-PLATFORM/…                where npm nests it
//! ```
//!
//! A tool folder holds `codex-VERSION` folders, each an npm prefix: `npm install
//! @openai/codex@VERSION --prefix TOOLS/codex-VERSION`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The oldest release that can be driven.
pub const VERSION_MIN: Version = Version::released(0, 80, 0);

/// How long `codex --version` may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many binaries are remembered.
const KNOWN_MAX: usize = 64;

/// What a number counts for: each before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Before the release, by a word that is none of the next.
    Pre,
    /// `-alpha.N`.
    Alpha(u32),
    /// `-beta.N`.
    Beta(u32),
    /// `-rc.N`.
    Candidate(u32),
    /// The release itself.
    Released,
}

impl Stage {
    /// What stands behind the number: nothing, `-alpha.3`, `+linux`.
    fn parse(rest: &str) -> Stage {
        let Some(word) = rest.strip_prefix('-') else { return Stage::Released };
        let word = word.split('+').next().unwrap_or_default();
        let (name, count) = word.split_once('.').unwrap_or((word, "0"));
        let count = count.parse().unwrap_or(0);
        match name {
            "alpha" => Stage::Alpha(count),
            "beta" => Stage::Beta(count),
            "rc" => Stage::Candidate(count),
            _ => Stage::Pre,
        }
    }
}

/// A release's number, with what it counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The first part.
    pub major: u32,
    /// The second part.
    pub minor: u32,
    /// The third part.
    pub patch: u32,
    /// A release, or one before it.
    pub stage: Stage,
}

impl Version {
    /// The release of that number.
    pub const fn released(major: u32, minor: u32, patch: u32) -> Version {
        Version { major, minor, patch, stage: Stage::Released }
    }

    /// Finds the number in `codex-cli 0.169.0` or `0.170.0-alpha.1`.
    pub fn find(text: &str) -> Option<Version> {
        text.split_whitespace().find_map(Version::parse)
    }

    fn parse(word: &str) -> Option<Version> {
        let word = word.trim_start_matches('v');
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let mut parts = word[..end].split('.').map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        Some(Version { major, minor, patch, stage: Stage::parse(&word[end..]) })
    }

    /// Whether it can be driven. Builds from source call themselves 0.0.0.
    pub fn is_supported(self) -> bool {
        self >= VERSION_MIN || self.is_of_source()
    }

    /// Whether it is a build from source, which does not tell how old it is.
    pub fn is_of_source(self) -> bool {
        (self.major, self.minor, self.patch) == (0, 0, 0)
    }

    /// Whether it is known to be older than that one; one before a release is older than the release.
    pub fn is_older(self, other: Version) -> bool {
        self < other && !self.is_of_source() && !other.is_of_source()
    }

    /// Whether it does what releases do from `first` on: one before a release counts for that, a build from
    /// source for the newest.
    pub fn has(self, first: Version) -> bool {
        self.is_of_source() || Version { stage: Stage::Released, ..self } >= first
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        match self.stage {
            Stage::Pre => f.write_str("-pre"),
            Stage::Alpha(count) => write!(f, "-alpha.{count}"),
            Stage::Beta(count) => write!(f, "-beta.{count}"),
            Stage::Candidate(count) => write!(f, "-rc.{count}"),
            Stage::Released => Ok(()),
        }
    }
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// This one and no other.
    pub explicit: Option<PathBuf>,
    /// The value of PATH.
    pub path: Option<OsString>,
    /// Tool folders.
    pub tools: Vec<PathBuf>,
}

/// A binary that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codex {
    /// The native binary.
    pub binary: PathBuf,
    /// Its version.
    pub version: Version,
    /// The very file: another one at its place is told from it.
    pub file: FileId,
}

/// One file, told from any other that takes its place: an upgrade leaves the path as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    bytes: u64,
}

impl FileId {
    /// The file that is at `path` now.
    pub fn of(path: &Path) -> std::io::Result<FileId> {
        let found = std::fs::metadata(path)?;
        Ok(FileId {
            device: found.dev(),
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            bytes: found.size(),
        })
    }
}

/// No codex can be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// There is none.
    #[error("no codex found{}", looked(tried))]
    Missing {
        /// Where it was looked for, and what was there instead.
        tried: Vec<String>,
    },
    /// It is too old.
    #[error("{} is codex {version}; {VERSION_MIN} is the oldest that can be driven", binary.display())]
    TooOld {
        /// The binary.
        binary: PathBuf,
        /// Its version.
        version: Version,
    },
    /// It does not tell its version, so it is no codex or a broken one.
    #[error("{} --version told no version: {said}", binary.display())]
    NoVersion {
        /// The binary.
        binary: PathBuf,
        /// What came instead.
        said: String,
    },
}

fn looked(tried: &[String]) -> String {
    match tried {
        [] => String::new(),
        tried => format!(" ({})", tried.join("; ")),
    }
}

/// Finds a codex and asks for its version.
pub fn locate(search: &Search) -> Result<Codex, LocateError> {
    Locator::default().locate(search)
}

/// Finds codex again and again, and asks each binary for its version once: until it is another file.
#[derive(Debug, Default)]
pub struct Locator {
    known: Mutex<HashMap<(PathBuf, FileId), Version>>,
}

impl Locator {
    /// Finds a codex.
    pub fn locate(&self, search: &Search) -> Result<Codex, LocateError> {
        let mut tried = Vec::new();
        for candidate in candidates(search) {
            if !candidate.is_file() {
                if search.explicit.is_some() {
                    tried.push(format!("{} is no file", candidate.display()));
                }
                continue;
            }
            match native(&candidate).and_then(|binary| Some((FileId::of(&binary).ok()?, binary))) {
                Some((file, binary)) => return self.checked(binary, file),
                None => tried.push(format!("{} leads to no native binary", candidate.display())),
            }
        }
        Err(LocateError::Missing { tried })
    }

    fn checked(&self, binary: PathBuf, file: FileId) -> Result<Codex, LocateError> {
        let key = (binary, file);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        let binary = key.0.clone();
        if let Some(version) = known {
            return Ok(Codex { binary, version, file });
        }
        let said = ask_version(&binary).unwrap_or_else(|error| error.to_string());
        match Version::find(&said) {
            Some(version) if version.is_supported() => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= KNOWN_MAX {
                    known.clear();
                }
                known.insert(key, version);
                Ok(Codex { binary, version, file })
            }
            Some(version) => Err(LocateError::TooOld { binary, version }),
            None => Err(LocateError::NoVersion { binary, said: said.trim().to_owned() }),
        }
    }
}

fn candidates(search: &Search) -> Vec<PathBuf> {
    if let Some(explicit) = &search.explicit {
        return vec![explicit.clone()];
    }
    let path = search.path.clone().unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let mut found: Vec<PathBuf> = folders.map(|folder| folder.join("codex")).collect();
    found.extend(search.tools.iter().flat_map(|tools| in_tools(tools)));
    found
}

/// The wrappers in a tool folder, newest version first.
fn in_tools(tools: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(tools).into_iter().flatten().flatten();
    let mut found: Vec<(Version, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = Version::parse(name.to_str()?.strip_prefix("codex-")?)?;
            Some((version, entry.path().join("node_modules/@openai/codex/bin/codex.js")))
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    found.into_iter().map(|(_, wrapper)| wrapper).collect()
}

/// The native binary that `candidate` is, or wraps.
fn native(candidate: &Path) -> Option<PathBuf> {
    let real = candidate.canonicalize().ok()?;
    if is_native(&real) {
        return Some(real);
    }
    let package = real.parent()?.parent()?;
    let (platform, triple) = platform()?;
    let beside = format!("codex-{platform}");
    let roots = [
        package.parent()?.join(&beside),
        package.join("node_modules/@openai").join(&beside),
        package.to_path_buf(),
    ];
    let vendored = roots.iter().map(|root| root.join("vendor").join(triple));
    vendored
        .flat_map(|vendor| [vendor.join("bin/codex"), vendor.join("codex/codex")])
        .find(|binary| is_native(binary))
}

/// npm's name of this platform, and its target triple.
fn platform() -> Option<(&'static str, &'static str)> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some(("linux-x64", "x86_64-unknown-linux-musl")),
        ("linux", "aarch64") => Some(("linux-arm64", "aarch64-unknown-linux-musl")),
        ("macos", "x86_64") => Some(("darwin-x64", "x86_64-apple-darwin")),
        ("macos", "aarch64") => Some(("darwin-arm64", "aarch64-apple-darwin")),
        _ => None,
    }
}

/// ELF or Mach-O.
fn is_native(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && matches!(magic, [0x7f, b'E', b'L', b'F'] | [0xcf, 0xfa, 0xed, 0xfe])
}

fn ask_version(binary: &Path) -> std::io::Result<String> {
    let mut child = Command::new(binary)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(std::io::Error::other("it did not answer in time"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(4096).read_to_string(&mut said)?;
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn versions_are_found_and_compared() {
        let find = |text: &str| Version::find(text).map(|version| version.to_string());
        assert_eq!(find("codex-cli 0.169.0\n").as_deref(), Some("0.169.0"));
        for pre in ["0.170.0-alpha.1", "0.170.0-beta.2", "0.170.0-rc.3", "0.170.0-pre"] {
            assert_eq!(find(&format!("codex-cli {pre}")).as_deref(), Some(pre));
        }
        assert_eq!(find("codex-cli 0.170.0+linux").as_deref(), Some("0.170.0"));
        assert_eq!(find("v22.1.0").as_deref(), Some("22.1.0"));
        assert_eq!(find("Python 3"), None);
        assert!(!Version::released(0, 79, 9).is_supported());
        assert!(Version::released(0, 80, 0).is_supported());
        assert!(Version::released(1, 0, 0).is_supported());
        assert!(Version::released(0, 0, 0).is_supported());
    }

    #[test]
    fn one_before_a_release_is_older_than_the_release_and_newer_than_the_last() {
        let rising = [
            "0.9.12",
            "0.98.0",
            "0.169.0-dev",
            "0.169.0-alpha.2",
            "0.169.0-alpha.10",
            "0.169.0-beta.1",
            "0.169.0-rc.1",
            "0.169.0",
            "0.169.1",
            "1.0.0",
        ];
        let rising = rising.map(|text| Version::find(text).unwrap());
        for (at, one) in rising.iter().enumerate() {
            for (other_at, other) in rising.iter().enumerate() {
                assert_eq!(one.is_older(*other), at < other_at, "{one} {other}");
            }
        }
        // A build from source is neither.
        let built = Version::released(0, 0, 0);
        assert!(!built.is_older(rising[0]) && !rising[0].is_older(built));
    }

    fn write(path: &Path, text: &[u8]) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_wrapper_leads_to_the_binary_in_every_layout() {
        let Some((platform, triple)) = platform() else { return };
        let beside = format!("../codex-{platform}");
        for layout in [
            format!("vendor/{triple}/codex/codex"),
            format!("{beside}/vendor/{triple}/codex/codex"),
            format!("{beside}/vendor/{triple}/bin/codex"),
            format!("node_modules/@openai/codex-{platform}/vendor/{triple}/bin/codex"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let package = dir.path().join("node_modules/@openai/codex");
            write(&package.join("bin/codex.js"), b"#!/usr/bin/env node\n");
            write(&package.join(&layout), b"\x7fELF and so on");
            let bin = dir.path().join("node_modules/.bin");
            std::fs::create_dir_all(&bin).unwrap();
            symlink("../@openai/codex/bin/codex.js", bin.join("codex")).unwrap();
            let found = native(&bin.join("codex")).unwrap();
            let expected = package.join(&layout).canonicalize().unwrap();
            assert_eq!(found.canonicalize().unwrap(), expected, "{layout}");
        }
    }

    #[test]
    fn what_is_missing_or_no_codex_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let search = Search { path: Some(dir.path().into()), ..Search::default() };
        assert!(matches!(locate(&search), Err(LocateError::Missing { .. })));

        let script = dir.path().join("codex");
        write(&script, b"#!/bin/sh\necho hello\n");
        let error = locate(&search).unwrap_err().to_string();
        assert!(error.contains("leads to no native binary"), "{error}");

        let explicit = Search { explicit: Some("/bin/true".into()), ..Search::default() };
        assert!(matches!(locate(&explicit), Err(LocateError::NoVersion { .. })));
    }

    #[test]
    fn a_binary_is_asked_once_until_it_is_another_file() {
        let dir = tempfile::tempdir().unwrap();
        // The smallest program that is native everywhere: a copy of one that prints its arguments.
        let binary = dir.path().join("codex");
        std::fs::copy("/bin/echo", &binary).unwrap();
        let search = Search { explicit: Some(binary.clone()), ..Search::default() };
        let locator = Locator::default();
        let file = FileId::of(&binary.canonicalize().unwrap()).unwrap();
        let version = Version::released(0, 169, 0);
        let key = (binary.canonicalize().unwrap(), file);
        locator.known.lock().unwrap().insert(key, version);
        // It is not run again: `echo --version` would tell another one, or none.
        let found = locator.locate(&search).unwrap();
        assert_eq!((found.version, found.file), (version, file));
        // Another file in its place is asked.
        std::fs::remove_file(&binary).unwrap();
        std::fs::copy("/bin/true", &binary).unwrap();
        assert!(!matches!(locator.locate(&search), Ok(found) if found.version == version));
    }

    #[test]
    fn tool_folders_are_searched_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["codex-0.98.0", "codex-0.169.0", "codex-0.80.0", "other"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let names: Vec<_> = in_tools(dir.path());
        assert_eq!(names.len(), 3);
        assert!(names[0].starts_with(dir.path().join("codex-0.169.0")));
        assert!(names[2].starts_with(dir.path().join("codex-0.80.0")));
    }
}
