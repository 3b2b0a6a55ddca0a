//! What sealed segments take beside `zstd -9` on the same blocks, for payloads of several kinds:
//! `DIR=… cargo run --release -p sm-peers --example packed`.
//!
//! The same blocks: the payloads of each segment, one after the other, as many as 256 KiB hold. The
//! log adds to them what else a record has (seq, session, time, source), and the footers.

#![allow(clippy::print_stdout, reason = "it reports on standard output")]

use sm_log::{Durability, Entry, Log, Options};
use sm_peers::Place;
use sm_peers::load::{Load, Random};

const BLOCK_BYTES: usize = 256 << 10;
const TOTAL_BYTES: usize = 32 << 20;

fn main() {
    println!(
        "{:<34}{:>9}{:>12}{:>12}{:>9}{:>18}",
        "payloads", "mean", "zstd -9", "sealed", "ratio", "bytes a record"
    );
    let (recorded, mixed) = (Load::recorded(), Load::mixed());
    let words: Vec<&[u8]> = recorded.payload(0).split(|byte| !byte.is_ascii_alphabetic()).collect();
    let mut random = Random(7);
    let mut text = |len: usize| -> Vec<u8> {
        let picked = std::iter::repeat_with(|| words[random.below(words.len() as u64) as usize]);
        picked.flat_map(|word| [word, b" "].concat()).take(len).collect()
    };
    let texts = |len: usize, text: &mut dyn FnMut(usize) -> Vec<u8>| -> Vec<Vec<u8>> {
        (0..TOTAL_BYTES / len / 4).map(|_| text(len)).collect()
    };
    let (long, short, tiny) =
        (texts(100_000, &mut text), texts(300, &mut text), texts(20, &mut text));
    let mut random = Random(8);
    let mut noise = |len: usize| (0..len).map(|_| random.below(256) as u8).collect();
    let (noise, small_noise) = (texts(600, &mut noise), texts(20, &mut noise));
    let from = |load: &Load| -> Vec<Vec<u8>> {
        let mut left = TOTAL_BYTES;
        let records = (0..).map(|index| load.payload(index).to_vec());
        let enough = |payload: &Vec<u8>| {
            left = left.saturating_sub(payload.len());
            left > 0
        };
        records.take_while(enough).collect()
    };
    for (name, payloads) in [
        ("captures, repeated", from(&recorded)),
        ("printable noise, 600 in the mean", from(&mixed)),
        ("words, 100 KB", long),
        ("words, 300 bytes", short),
        ("words, 20 bytes", tiny),
        ("noise, 600 bytes", noise),
        ("noise, 20 bytes", small_noise),
    ] {
        compare(name, &payloads);
    }
}

fn compare(name: &str, payloads: &[Vec<u8>]) {
    let place = Place::new("packed");
    let options = Options::durability(Durability::Os).without_sealing();
    let (log, _) = Log::open(&place.0, options.with_segment_bytes(4 << 20)).expect("a log");
    let load = Load::mixed();
    let entries: Vec<_> = payloads
        .iter()
        .enumerate()
        .map(|(index, payload)| Entry { payload, time: index as i64 * 1000, ..load.entry(index) })
        .collect();
    for batch in entries.chunks(64) {
        log.commit(batch).expect("commit");
    }
    log.seal().expect("seal");
    let (mut plain, mut sealed, mut bytes, mut records) = (0, 0, 0, 0);
    for segment in log.reader().segments().expect("segments").iter().filter(|s| s.sealed) {
        let of = &payloads[segment.first as usize - 1..segment.last as usize];
        plain += packed(of);
        sealed += segment.bytes as usize;
        bytes += segment.payload_bytes as usize;
        records += of.len();
    }
    println!(
        "{name:<34}{:>9}{plain:>12}{sealed:>12}{:>9.3}{:>18.1}",
        bytes / records,
        sealed as f64 / plain as f64,
        (sealed as f64 - plain as f64) / records as f64
    );
}

/// Bytes of the payloads, packed by themselves in the same blocks.
fn packed(payloads: &[Vec<u8>]) -> usize {
    let (mut all, mut block) = (0, Vec::new());
    for payload in payloads {
        if !block.is_empty() && block.len() + payload.len() > BLOCK_BYTES {
            all += zstd::bulk::compress(&block, 9).expect("zstd").len();
            block.clear();
        }
        block.extend_from_slice(payload);
    }
    all + zstd::bulk::compress(&block, 9).expect("zstd").len()
}
