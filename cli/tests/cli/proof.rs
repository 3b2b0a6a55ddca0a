//! `sm verify` and `sm stats`: a sound log is proved, a damaged one is told with file, position, seqs and
//! remedy, and the rest stays readable.

use crate::support::Sm;
use std::path::PathBuf;

fn recorded() -> Sm {
    let sm = Sm::new();
    let mut text = String::new();
    for number in 0..200 {
        text.push_str(&format!(
            "{{\"method\":\"thread/started\",\"params\":{{\"thread\":{{\"id\":\"T{number}\"}}}}}}\n"
        ));
    }
    sm.json(&["import", &sm.file("some.jsonl", text.as_bytes())]);
    sm
}

fn segment(sm: &Sm) -> PathBuf {
    let names = std::fs::read_dir(sm.home().join("log")).expect("the log's folder");
    let mut names: Vec<PathBuf> = names.map(|name| name.expect("a name").path()).collect();
    names.retain(|name| name.extension().is_some_and(|end| end == "seg" || end == "sealed"));
    names.sort();
    names.first().expect("a segment").clone()
}

#[test]
fn a_sound_log_is_proved() {
    let sm = recorded();
    for words in [&["verify"][..], &["verify", "--deep"]] {
        let verdict = sm.json(words);
        assert_eq!(
            (verdict["ok"].as_bool(), verdict["problems"].as_array().map(Vec::len)),
            (Some(true), Some(0))
        );
        assert_eq!(verdict["first_seq"], 1);
        assert_eq!(verdict["last_seq"], sm.json(&["stats"])["head"]);
    }
    let ran = sm.run(&["verify"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.text().starts_with("✓ seq 1 to "), "{}", ran.text());
}

#[test]
fn damage_is_named_with_what_it_covers_and_the_rest_is_read() {
    let sm = recorded();
    let file = segment(&sm);
    let mut bytes = std::fs::read(&file).expect("the segment");
    bytes[3000] ^= 1;
    std::fs::write(&file, bytes).expect("the segment");
    let ran = sm.run(&["verify", "--json"]);
    assert_eq!(ran.code, 7, "{}", ran.err);
    let verdict: serde_json::Value = serde_json::from_slice(&ran.out).expect("JSON");
    assert_eq!(verdict["ok"], false);
    let problem = &verdict["problems"][0];
    assert_eq!(problem["file"], file.to_string_lossy().into_owned());
    assert!(problem["position"].as_u64().is_some_and(|at| at > 0 && at <= 3000));
    let (first, last) = (problem["first_seq"].as_u64(), problem["last_seq"].as_u64());
    assert!(first.is_some() && first <= last, "{problem}");
    assert!(problem["remedy"].as_str().is_some_and(|remedy| remedy.contains("copy")));
    let text = sm.run(&["verify"]);
    assert_eq!(text.code, 7);
    assert!(text.text().contains(&format!("seq {} to", first.unwrap_or(0))), "{}", text.text());
    // The records around it are all there.
    let read = sm.run(&["replay", "--json"]).text().lines().count() as u64;
    assert!(read >= 190, "{read}");
}

#[test]
fn figures_add_up_and_nothing_recorded_is_told() {
    let sm = recorded();
    let stats = sm.json(&["stats"]);
    let of = |name: &str, what: &str| stats[name][what].as_u64().expect("a number");
    for what in ["segments", "records", "payload_bytes", "disk_bytes"] {
        assert_eq!(of("all", what), of("sealed", what) + of("plain", what), "{what}");
    }
    assert_eq!(stats["all"]["records"], stats["head"]);
    assert!(of("all", "payload_bytes") > 200 * 50);
    assert_eq!(sm.run(&["stats"]).code, 0);
    let empty = Sm::new();
    for words in [&["verify"][..], &["stats"]] {
        assert_eq!(empty.run(words).code, 5);
    }
}

/// The watermark file is the one that any copying tool may leave out: looking tells of it, reading goes on.
#[test]
fn a_lost_watermark_file_costs_no_record() {
    let sm = recorded();
    let before = sm.run(&["replay", "--json"]).out;
    std::fs::remove_file(sm.home().join("log/watermark")).expect("the watermark file");
    let ran = sm.run(&["verify", "--json"]);
    let verdict: serde_json::Value = serde_json::from_slice(&ran.out).expect("JSON");
    assert_eq!((ran.code, verdict["problems"].as_array().map(Vec::len)), (7, Some(1)));
    let problem = &verdict["problems"][0];
    assert!(problem["file"].as_str().is_some_and(|file| file.ends_with("watermark")), "{problem}");
    assert_eq!(problem["first_seq"], serde_json::Value::Null);
    // A reading command that finds nobody writing makes it again.
    let ran = sm.run(&["replay", "--json"]);
    assert_eq!((ran.code, ran.out == before), (0, true), "{}", ran.err);
    assert_eq!(sm.run(&["verify"]).code, 0);
}

/// What the system does not give is told with its seqs, by who reads and by who verifies.
#[test]
fn a_segment_that_cannot_be_read_is_named() {
    let sm = recorded();
    let head = sm.json(&["stats"])["head"].as_u64().expect("a number");
    let file = segment(&sm);
    std::fs::remove_file(&file).expect("the segment");
    std::fs::create_dir(&file).expect("something else in its place");
    let ran = sm.run(&["replay", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let told = format!("seq 1 to {head} cannot be read");
    assert!(ran.err.contains(&told) && ran.err.contains("sm verify"), "{}", ran.err);
    let ran = sm.run(&["verify"]);
    assert_eq!(ran.code, 7, "{}", ran.err);
    assert!(ran.text().contains(&told) && ran.text().contains(&*file.to_string_lossy()));
}
