//! A disk with no room left, for real: a small tmpfs where mounting is allowed. What was folded can
//! still be asked for, and the answer says that it is behind.

use crate::folding::daemon;
use crate::support::{Sm, captures};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk of so many bytes at `dir`.
struct Disk(PathBuf);

impl Disk {
    fn mount(dir: &Path, bytes: usize) -> Option<Disk> {
        std::fs::create_dir_all(dir).expect("a folder");
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Disk(dir.to_path_buf()))
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut left = 1 << 20;
        let path = self.0.join("ballast");
        let mut ballast = std::fs::File::create(path).expect("a file");
        while left > 0 {
            if std::io::Write::write(&mut ballast, &vec![1; left]).is_err() {
                left /= 2;
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn what_was_folded_is_answered_where_nothing_can_be_written() {
    let sm = Sm::new();
    let Some(disk) = Disk::mount(&sm.home(), 24 << 20) else { return };
    let path = captures(false).into_iter().find(|path| path.ends_with("0.169.0/nested.jsonl"));
    let capture = path.expect("a capture");
    sm.json(&["import", capture.to_str().expect("a plain path")]);
    let home = sm_daemon::Home::new(sm.home());
    let tables = home.store_path().join("data.mdb");
    let early = std::fs::read(&tables).expect("the tables");
    let before = sm.json(&["ps", "--all"]);
    sm.json(&["import", &sm.file("more.jsonl", b"{\"method\":\"a/b\"}\n{\"method\":\"a/c\"}\n")]);
    // The tables are behind the log, as a death leaves them, and there is no room to fold on.
    std::fs::write(&tables, early).expect("the tables of before");
    disk.fill();
    for words in [&["ps", "--all"][..], &["show", "@last"], &["tail", "@last"], &["status"]] {
        let words = [words, &["--json"]].concat();
        let ran = sm.run(&words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
        assert_eq!(ran.err.matches("what was folded before").count(), 1, "{}", ran.err);
    }
    let full = sm.json(&["ps", "--all"]);
    let (seq, head) = (full["as_of"]["seq"].as_u64(), full["as_of"]["head"].as_u64());
    assert!(seq < head, "{full}");
    assert_eq!(seq, before["as_of"]["seq"].as_u64());
    // With room again it goes on by itself.
    std::fs::remove_file(sm.home().join("ballast")).expect("the ballast");
    let whole = sm.json(&["ps", "--all"]);
    assert_eq!(whole["as_of"]["seq"], whole["as_of"]["head"]);
    assert_eq!(sm.json(&["replay", "--verify"])["equal"], true);
}

/// Waits until a look finds something.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed().as_secs() < 60, "{what}: waited in vain");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn readers_and_the_daemons_log_tell_of_what_the_disk_does_not_take() {
    let sm = Sm::new();
    let Some(disk) = Disk::mount(&sm.home(), 96 << 20) else { return };
    daemon(&sm);
    let line = format!("{{\"method\":\"a/b\",\"params\":{{\"text\":\"{}\"}}}}\n", "x".repeat(4000));
    let file = sm.file("large.jsonl", line.repeat(8_000).as_bytes());
    disk.fill();
    let mut import = sm.command(&["import", &file]);
    import.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut import = import.spawn().expect("sm runs");
    let told = until("readers are told", || {
        let told = sm.run(&["ps", "--all", "--json"]);
        let listed: serde_json::Value = serde_json::from_slice(&told.out).ok()?;
        listed["as_of"]["not_written"].is_object().then_some((listed, told.err))
    });
    assert!(
        told.0["as_of"]["not_written"]["why"].as_str().is_some_and(|why| why.contains("space"))
    );
    assert!(told.1.contains("not yet on the disk"), "{}", told.1);
    let doctor = sm.run(&["doctor", "--json"]);
    let checks: serde_json::Value = serde_json::from_slice(&doctor.out).expect("JSON");
    assert_eq!((doctor.code, &checks["checks"]["daemon"]["status"]), (1, &"failed".into()));
    let said = || std::fs::read_to_string(sm_daemon::Home::new(sm.home()).daemon_log());
    until("its log tells why", || {
        said().is_ok_and(|said| said.contains("does not take what is recorded")).then_some(())
    });
    import.kill().expect("the import ends");
    import.wait().expect("its end");
    std::fs::remove_file(sm.home().join("ballast")).expect("the ballast");
    until("it is written", || {
        let listed = sm.json(&["ps", "--all"]);
        listed["as_of"]["not_written"].is_null().then_some(())
    });
    until("its log tells that, too", || {
        said().is_ok_and(|said| said.contains("takes what is recorded again")).then_some(())
    });
}
