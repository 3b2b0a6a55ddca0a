//! All figures in one run, interleaved: `DIR=… cargo bench -p sm-peers --bench figures`.
//!
//! Ratios count, absolute figures inform. Each line is the median of the rounds (`ROUNDS`, 5), and a
//! ratio is the median of the rounds' ratios. `ONLY` picks lines that contain one of its parts,
//! with semicolons between. `DIR` must be on the disk that is meant.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::Duration;

use sm_log::Durability::{Os, Sync};
use sm_peers::load::{Load, RECORDS};
use sm_peers::log::{self, Written};
use sm_peers::peers::{self, Commitlog, Filled, Okaywal, Redb, Seglog, Sqlite};
use sm_peers::{Figure, floors};

const PACE: Duration = Duration::from_micros(50);

/// A line's name, the line it is compared with, and how it is measured.
type Line<'a> = (&'static str, Option<&'static str>, Box<dyn Fn() -> Figure + 'a>);

/// What is made once, when it is first asked for.
#[derive(Default)]
struct Made {
    plain: OnceCell<Written>,
    sealed: OnceCell<Written>,
    sqlite: OnceCell<Filled>,
}

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let only = std::env::var("ONLY").unwrap_or_default();
    let (load, recorded, made) = (Load::mixed(), Load::recorded(), Made::default());
    let mean = |load: &Load| load.payload_bytes(RECORDS) / RECORDS;
    println!("{RECORDS} records, mean {} bytes; recorded: {}", mean(&load), mean(&recorded));
    // The first touch of memory is slow on a virtual machine.
    drop(black_box(vec![1u8; 1 << 30]));
    let plain = || made.plain.get_or_init(|| Written::new("plain", &load, 1 << 30, false).closed());
    let sealed =
        || made.sealed.get_or_init(|| Written::new("sealed", &recorded, 16 << 20, true).closed());
    let sqlite = || made.sqlite.get_or_init(|| Filled::new(&load));
    let group = |open: fn(&std::path::Path) -> Box<dyn peers::Peer>, group: usize, of: usize| {
        let load = &load;
        Box::new(move || peers::groups(open, load, group, of)) as Box<dyn Fn() -> Figure + '_>
    };
    let mut lines: Vec<Line<'_>> = vec![
        ("floor: buffered", None, Box::new(|| floors::buffered(&load, 256 << 10))),
        ("floor: pieces of 40 KiB", None, Box::new(|| floors::buffered(&load, 40 << 10))),
        (
            "os, batches of 64",
            Some("floor: pieces of 40 KiB"),
            Box::new(|| log::batches(&load, Os, 64)),
        ),
        ("os, recorded, batches of 64", None, Box::new(|| log::batches(&recorded, Os, 64))),
        (
            "os, recorded, and sealing",
            Some("os, recorded, batches of 64"),
            Box::new(|| log::batches_while_sealing(&recorded, Os, 64)),
        ),
        ("os, one by one", Some("floor: buffered"), Box::new(|| log::pipelined(&load, Os, 1))),
        (
            "seglog, buffered",
            Some("floor: buffered"),
            group(|d| Box::new(Seglog::open(d, false)), 1, RECORDS),
        ),
        ("commitlog", Some("floor: buffered"), group(|d| Box::new(Commitlog::open(d)), 1, RECORDS)),
        (
            "redb, unsynced",
            Some("floor: buffered"),
            group(|d| Box::new(Redb::open(d, false)), 1, 20_000),
        ),
        (
            "sqlite NORMAL",
            Some("floor: buffered"),
            group(|d| Box::new(Sqlite::open(d, "NORMAL")), 1, RECORDS / 4),
        ),
        (
            "sqlite NORMAL by 64",
            Some("floor: buffered"),
            group(|d| Box::new(Sqlite::open(d, "NORMAL")), 64, RECORDS / 64),
        ),
        ("floor: write each", None, Box::new(|| floors::each(&load))),
        ("os, each awaited", Some("floor: write each"), Box::new(|| log::batches(&load, Os, 1))),
        ("floor: pipelined, write each", None, Box::new(|| floors::pipelined(&load, 1))),
        ("floor: pipelined, 64 KiB", None, Box::new(|| floors::pipelined(&load, 64 << 10))),
        (
            "sync, pipelined, one by one",
            Some("floor: pipelined, write each"),
            Box::new(|| log::pipelined(&load, Sync, 1)),
        ),
        (
            "sync, pipelined, by 64",
            Some("floor: pipelined, 64 KiB"),
            Box::new(|| log::pipelined(&load, Sync, 64)),
        ),
        ("floor: groups of 64", None, Box::new(|| floors::sync(&load, 64, 1000))),
        (
            "sync, groups of 64",
            Some("floor: groups of 64"),
            Box::new(|| log::sync(&load, 64, 1000)),
        ),
        (
            "okaywal, groups of 64",
            Some("floor: groups of 64"),
            group(|d| Box::new(Okaywal::open(d)), 64, 1000),
        ),
        (
            "seglog, groups of 64",
            Some("floor: groups of 64"),
            group(|d| Box::new(Seglog::open(d, true)), 64, 1000),
        ),
        (
            "redb, groups of 64",
            Some("floor: groups of 64"),
            group(|d| Box::new(Redb::open(d, true)), 64, 500),
        ),
        (
            "sqlite FULL, groups of 64",
            Some("floor: groups of 64"),
            group(|d| Box::new(Sqlite::open(d, "FULL")), 64, 1000),
        ),
        ("floor: sync each", None, Box::new(|| floors::sync(&load, 1, 2000))),
        ("sync each", Some("floor: sync each"), Box::new(|| log::sync(&load, 1, 2000))),
        (
            "okaywal, sync each",
            Some("floor: sync each"),
            group(|d| Box::new(Okaywal::open(d)), 1, 2000),
        ),
        (
            "seglog, sync each",
            Some("floor: sync each"),
            group(|d| Box::new(Seglog::open(d, true)), 1, 2000),
        ),
        (
            "redb, sync each",
            Some("floor: sync each"),
            group(|d| Box::new(Redb::open(d, true)), 1, 1000),
        ),
        (
            "sqlite FULL, sync each",
            Some("floor: sync each"),
            group(|d| Box::new(Sqlite::open(d, "FULL")), 1, 2000),
        ),
        ("sync, 1 producer", None, Box::new(|| log::producers(&load, 1, 4000))),
        (
            "sync, 8 producers",
            Some("sync, 1 producer"),
            Box::new(|| log::producers(&load, 8, 2000)),
        ),
        (
            "sync, 64 producers",
            Some("sync, 1 producer"),
            Box::new(|| log::producers(&load, 64, 500)),
        ),
        ("floor: scan", None, Box::new(|| floors::scan(&load, &plain().files()))),
        ("replay (p50: GB/s)", Some("floor: scan"), Box::new(|| plain().replay(RECORDS))),
        (
            "replay sealed (p50: GB/s)",
            None,
            Box::new(|| sealed().replay(sealed().sealed_records())),
        ),
        (
            "replay seglog (p50: GB/s)",
            Some("floor: scan"),
            Box::new(|| peers::seglog_replay(&load)),
        ),
        ("replay sqlite (p50: GB/s)", Some("floor: scan"), Box::new(|| sqlite().replay())),
        ("get", None, Box::new(|| plain().get(RECORDS, 20_000))),
        ("get sealed", None, Box::new(|| sealed().get(sealed().sealed_records(), 2_000))),
        ("get sqlite", Some("get"), Box::new(|| sqlite().get(20_000))),
        ("session sqlite", None, Box::new(|| sqlite().sessions(&load))),
        ("session", Some("session sqlite"), Box::new(|| plain().sessions(&load))),
        ("floor: session", None, Box::new(|| plain().sessions_floor(&load))),
        (
            "session, against the floor",
            Some("floor: session"),
            Box::new(|| plain().sessions(&load)),
        ),
        ("seal (p50: GB/s)", None, Box::new(|| log::seal(&recorded))),
        ("floor: follow", None, Box::new(|| floors::follow(PACE))),
        ("follow os", Some("floor: follow"), Box::new(|| log::follow(Os, PACE))),
        ("follow sync", None, Box::new(|| log::follow(Sync, PACE))),
        ("follow by files", None, Box::new(|| log::follow_files(Duration::from_millis(2)))),
    ];
    #[cfg(feature = "heavy")]
    lines.extend([
        (
            "raft-engine",
            Some("floor: buffered"),
            group(|d| Box::new(peers::Raft::open(d, false)), 1, RECORDS / 4),
        ),
        (
            "raft-engine by 64",
            Some("floor: buffered"),
            group(|d| Box::new(peers::Raft::open(d, false)), 64, RECORDS / 64),
        ),
        (
            "raft-engine, groups of 64",
            Some("floor: groups of 64"),
            group(|d| Box::new(peers::Raft::open(d, true)), 64, 1000),
        ),
        (
            "raft-engine, sync each",
            Some("floor: sync each"),
            group(|d| Box::new(peers::Raft::open(d, true)), 1, 2000),
        ),
        (
            "fjall",
            Some("floor: buffered"),
            group(|d| Box::new(peers::Fjall::open(d, false)), 1, RECORDS / 4),
        ),
        (
            "fjall, groups of 64",
            Some("floor: groups of 64"),
            group(|d| Box::new(peers::Fjall::open(d, true)), 64, 1000),
        ),
        (
            "fjall, sync each",
            Some("floor: sync each"),
            group(|d| Box::new(peers::Fjall::open(d, true)), 1, 2000),
        ),
    ]);
    lines.retain(|line| only.split(';').any(|word| line.0.contains(word)));
    let mut all: Vec<Vec<Figure>> = vec![Vec::new(); lines.len()];
    for _ in 0..rounds {
        for (line, figures) in lines.iter().zip(&mut all) {
            figures.push(line.2());
        }
    }
    report(&lines, &all);
    if let Some(sealed) = made.sealed.get() {
        let (payload, file) = sealed.sealed_bytes();
        let share = payload as f64 / file as f64;
        println!("sealed: {payload} bytes of payload in {file}: 1/{share:.1}");
        let sqlite = Filled::new(&recorded).bytes() as f64 / recorded.payload_bytes(RECORDS) as f64;
        println!(
            "sqlite: {sqlite:.2} bytes for a byte of payload: sealed takes 1/{:.1}",
            sqlite * share
        );
    }
}

fn report(lines: &[Line<'_>], all: &[Vec<Figure>]) {
    println!("{:<30} {:>12} {:>7} {:>9} {:>9}", "", "records/s", "ratio", "p50 µs", "p99 µs");
    for (line, figures) in lines.iter().zip(all) {
        let base = lines.iter().position(|other| Some(other.0) == line.1);
        let ratios = base.map(|base| {
            let pairs = figures.iter().zip(&all[base]);
            median(pairs.map(|(figure, base)| figure.rate / base.rate).collect())
        });
        let ratio = ratios.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let of = |of: fn(&Figure) -> f64| median(figures.iter().map(of).collect());
        let (rate, p50, p99) = (of(|f| f.rate), of(|f| f.p50), of(|f| f.p99));
        println!("{:<30} {rate:>12.0} {ratio:>7} {p50:>9.2} {p99:>9.1}", line.0);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
