//! `cargo xtask codex`: one release of Codex from npm, in a git-ignored folder of the project.
//!
//! A release is there whole or not at all: it is installed beside its place and then renamed.
//!
//! Where the native binary lies within `node_modules/@openai`, as seen:
//!
//! ```text
//! 0.80.0, 0.98.0             codex/vendor/TRIPLE/codex/codex            all platforms in one package
//! 0.115.0, 0.125.0           codex-OS-CPU/vendor/TRIPLE/codex/codex     a package for each platform
//! 0.142.5, 0.155.1, 0.169.0  codex-OS-CPU/vendor/TRIPLE/bin/codex       beside codex-path, codex-resources
//! ```
//!
//! `codex/bin/codex.js` is a Node wrapper in all of them. It must not be what is run: killed, it
//! leaves the native process behind.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::project_root;

/// The release that the project is built and tested against. Its one place is the file.
pub const PINNED: &str = include_str!("../codex-version").trim_ascii_end();

/// Older releases that tests run too: one that a weekly upgrade leaves behind, and one that numbers its
/// turns.
pub const OLDER: [&str; 2] = ["0.155.1", "0.98.0"];

/// How often whoever waits for npm is told that it goes on.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// How often npm is looked after.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the chore.
///
/// # Errors
/// When the release cannot be installed; the text says what to do.
pub fn chore(arguments: &[&str]) -> Result<(), String> {
    let version = match arguments {
        [] => PINNED,
        [version] if !version.starts_with('-') => version,
        _ => return Err("usage: cargo xtask codex [VERSION]".to_owned()),
    };
    println!("{}", install(version)?.display());
    Ok(())
}

/// Installs a release unless it is there, and gives its native binary.
///
/// # Errors
/// When npm is missing or fails, or the package has no binary for this machine.
pub fn install(version: &str) -> Result<PathBuf, String> {
    if !version.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-+".contains(letter)) {
        return Err(format!("{version:?} is no version: give one like {PINNED}"));
    }
    let tools = project_root().join(".tools");
    let home = tools.join(format!("codex-{version}"));
    if let Some(binary) = native_binary(&home) {
        return Ok(binary);
    }
    fs::create_dir_all(&tools).map_err(|error| failed("create", &tools, &error))?;
    let fresh = tempfile::Builder::new()
        .prefix(&format!(".codex-{version}-"))
        .tempdir_in(&tools)
        .map_err(|error| failed("create a folder in", &tools, &error))?;
    eprintln!("xtask: installing @openai/codex@{version} from npm …");
    npm_install(fresh.path(), version)?;
    if native_binary(fresh.path()).is_none() {
        return Err(format!(
            "@openai/codex@{version} has no binary for this machine ({}): is npm told to leave \
             out optional packages?",
            triple()
        ));
    }
    drop_other_platforms(fresh.path());
    put_in_place(fresh, &home)?;
    native_binary(&home).ok_or_else(|| format!("{} lost its binary", home.display()))
}

/// A folder without a binary is a leftover and makes way; one that another run has just put there
/// is as good as ours.
fn put_in_place(fresh: tempfile::TempDir, home: &Path) -> Result<(), String> {
    if home.exists() && native_binary(home).is_none() {
        fs::remove_dir_all(home).map_err(|error| failed("remove", home, &error))?;
    }
    match fs::rename(fresh.path(), home) {
        Ok(()) => {
            // It is no longer at the path that would be removed.
            let _ = fresh.keep();
            Ok(())
        }
        Err(_) if native_binary(home).is_some() => Ok(()),
        Err(error) => Err(failed("create", home, &error)),
    }
}

fn npm_install(folder: &Path, version: &str) -> Result<(), String> {
    let manifest = folder.join("package.json");
    fs::write(&manifest, "{\"private\":true}\n").map_err(|e| failed("write", &manifest, &e))?;
    let child = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
        .arg("--prefix")
        .arg(folder)
        .arg(format!("@openai/codex@{version}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => "npm is not on PATH; it brings Codex. On Debian: \
                                    `apt-get install npm`, elsewhere install Node.js 16 or newer"
                .to_owned(),
            _ => format!("cannot run npm: {error}"),
        })?;
    let began = Instant::now();
    let tell = || {
        let (seconds, mib) = (began.elapsed().as_secs(), bytes_in(folder) >> 20);
        eprintln!("xtask: … {seconds} s, {mib} MiB unpacked (it may take two minutes)");
    };
    let (status, said) = waited(child, TELL_EVERY, tell).map_err(|e| format!("npm: {e}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "npm could not install @openai/codex@{version}:\n{}\nIs there such a version \
         (`npm view @openai/codex versions`), and can npm reach its registry?",
        said.trim_end()
    ))
}

/// Waits for a process and tells every so often that it goes on. Returns how it ended, and what it
/// said on standard error.
fn waited(
    mut child: Child,
    every: Duration,
    mut tell: impl FnMut(),
) -> std::io::Result<(ExitStatus, String)> {
    let mut stderr = child.stderr.take();
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(stderr) = &mut stderr {
            // What cannot be read is not shown.
            let _ = stderr.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let mut told = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if told.elapsed() >= every {
            told = Instant::now();
            tell();
        }
        std::thread::sleep(LOOK.min(every));
    };
    Ok((status, said.join().unwrap_or_default()))
}

/// The bytes of all files in a folder, as far as they can be seen.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_in(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

/// The native binary in a folder that holds an installed release.
pub fn native_binary(home: &Path) -> Option<PathBuf> {
    let packages = home.join("node_modules/@openai");
    let candidates = [platform_package(), "codex".to_owned()].into_iter().flat_map(|package| {
        let vendor = packages.join(package).join("vendor").join(triple());
        [vendor.join("bin/codex"), vendor.join("codex/codex")]
    });
    candidates.into_iter().find(|path| path.is_file())
}

/// Old packages hold six platforms, some 300 MB. What cannot be removed only costs room.
fn drop_other_platforms(home: &Path) {
    let vendor = home.join("node_modules/@openai/codex/vendor");
    for entry in fs::read_dir(vendor).into_iter().flatten().flatten() {
        if entry.file_name() != triple().as_str() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn platform_package() -> String {
    let os = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
    let cpu = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    format!("codex-{os}-{cpu}")
}

fn triple() -> String {
    let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-musl" };
    format!("{}-{system}", std::env::consts::ARCH)
}

fn failed(act: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {act} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_found_in_every_layout() {
        let layouts = [
            format!("codex/vendor/{}/codex/codex", triple()),
            format!("{}/vendor/{}/codex/codex", platform_package(), triple()),
            format!("{}/vendor/{}/bin/codex", platform_package(), triple()),
        ];
        for layout in layouts {
            let home = tempfile::tempdir().expect("a temporary folder");
            let binary = home.path().join("node_modules/@openai").join(layout);
            assert_eq!(native_binary(home.path()), None);
            fs::create_dir_all(binary.parent().expect("a folder")).expect("made");
            fs::write(&binary, "").expect("written");
            assert_eq!(native_binary(home.path()), Some(binary));
        }
    }

    #[test]
    fn whoever_waits_is_told_that_it_goes_on() {
        let mut cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cat runs");
        // It ends only once something was told.
        let mut held = cat.stdin.take();
        let (status, said) =
            waited(cat, Duration::from_millis(1), || drop(held.take())).expect("it ends");
        assert!(status.success() && held.is_none() && said.is_empty());
        let fails = Command::new("sh")
            .args(["-c", "echo why >&2; exit 3"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let (status, said) = waited(fails, TELL_EVERY, || {}).expect("it ends");
        assert_eq!((status.code(), said.as_str()), (Some(3), "why\n"));
    }

    #[test]
    fn versions_that_are_none_are_refused_before_npm_sees_them() {
        assert!(install("../x").is_err());
        assert!(install("1.0 --global").is_err());
        assert!(PINNED.split('.').count() == 3);
    }
}
