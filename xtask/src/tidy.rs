//! `cargo xtask tidy`: what the compiler does not check about the source.
//!
//! What always holds: every source file says in its first line what it is; nothing unfinished and no
//! path of one machine is committed; every file that a document links to is there.

use crate::project_root;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Words that mark something unfinished. Put together here, so that this file has none of them.
const UNFINISHED: &[&str] = &[concat!("to", "do!("), concat!("FIX", "ME"), concat!("#[ig", "nore")];

/// Checks the files that git knows.
pub fn chore(_: &[&str]) -> Result<(), String> {
    let root = project_root();
    let mut faults = Vec::new();
    for file in tracked(&root)? {
        let path = root.join(&file);
        let name = file.to_string_lossy().into_owned();
        if let Ok(text) = std::fs::read_to_string(&path) {
            if name.ends_with(".rs") {
                source(&name, &text, &mut faults);
            }
            if name.ends_with(".md") {
                links(&root, &file, &text, &mut faults);
            }
        }
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults.join("\n")),
    }
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("git").current_dir(root).args(["ls-files", "-z"]).output();
    let output = output.map_err(|error| format!("failed to run git: {error}"))?;
    if !output.status.success() {
        return Err("`git ls-files` failed; is this a git checkout?".to_owned());
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

fn source(name: &str, text: &str, faults: &mut Vec<String>) {
    if !text.starts_with("//!") && !text.starts_with("#![") {
        faults.push(format!("{name}: says not what it is; begin with a `//!` comment"));
    }
    for (number, line) in text.lines().enumerate() {
        for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
            faults.push(format!("{name}:{}: {word}", number + 1));
        }
    }
}

/// Relative links of a document must lead to files.
fn links(root: &Path, file: &Path, text: &str, faults: &mut Vec<String>) {
    let folder = root.join(file).parent().map(Path::to_path_buf).unwrap_or_default();
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let target = link.split('#').next().unwrap_or("");
        if target.is_empty() || target.contains("://") || target.contains(' ') {
            continue;
        }
        if !folder.join(target).exists() {
            faults.push(format!("{}: no file behind the link {link}", file.display()));
        }
    }
}
