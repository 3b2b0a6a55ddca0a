//! `kill -9` on real files: a child with many producers says what was acknowledged, dies at a random
//! moment, and all it said is found. `ROUNDS` says how often; the soak runs thousands.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use sm_log::{Durability, Entry, Item, Log, Options, Reader};

const CHILD: &str = "SM_LOG_KILL_CHILD";
const PRODUCERS: u64 = 4;

fn options(round: u64) -> Options {
    let durability = match round % 3 {
        0 => Durability::Sync,
        1 => Durability::Interval(Duration::from_millis(3)),
        _ => Durability::Os,
    };
    Options::durability(durability).with_segment_bytes(64 << 10)
}

fn payload(producer: u64, number: u64) -> Vec<u8> {
    let text = format!("{producer} {number} ");
    let len = text.len() + (number as usize * 37) % 700;
    text.bytes().cycle().take(len).collect()
}

/// Appends until it is killed, and says what was acknowledged.
fn child(dir: &Path, round: u64) {
    let (log, recovery) = Log::open(dir, options(round)).unwrap();
    assert!(recovery.gaps.is_empty(), "{recovery:?}");
    let said = Mutex::new(std::io::stdout());
    std::thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (log, said) = (&log, &said);
            scope.spawn(move || {
                let session = [producer as u8 + 1];
                for number in log.reader().revisions(&session).unwrap().. {
                    let payload = payload(producer, number);
                    let entry = Entry { session: &session, payload: &payload, ..Entry::default() };
                    let receipt = match number % 3 {
                        0 => log.append(&[entry]).unwrap(),
                        _ => log.commit(&[entry]).unwrap(),
                    };
                    if number % 3 == 0 && number % 2 == 0 {
                        continue;
                    }
                    receipt.wait().unwrap();
                    let mut said = said.lock().unwrap();
                    writeln!(said, "{} {producer} {number}", receipt.first).unwrap();
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = std::env::temp_dir().join(format!("sm-log-kill-{}", std::process::id()));
    if let Some(round) = std::env::var_os(CHILD) {
        let (dir, round) =
            (std::env::var_os("SM_LOG_KILL_DIR").unwrap(), round.to_string_lossy().parse());
        return child(Path::new(&dir), round.unwrap());
    }
    let _ = std::fs::remove_dir_all(&dir);
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let mut acknowledged: HashMap<u64, (u64, u64)> = HashMap::new();
    for round in 0..rounds {
        one_round(&dir, round, &mut acknowledged);
        check(&dir, &acknowledged);
    }
    assert!(acknowledged.len() > rounds as usize);
    let _ = std::fs::remove_dir_all(&dir);
}

fn one_round(dir: &Path, round: u64, acknowledged: &mut HashMap<u64, (u64, u64)>) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_acknowledged_survives_kill_9", "--nocapture"])
        .env(CHILD, round.to_string())
        .env("SM_LOG_KILL_DIR", dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    // The moment of death is counted in acknowledgements, so that slow machines test the same.
    let until = (round * 7919) % 600;
    let mut seen = 0;
    for line in lines.by_ref() {
        seen += note(&line.unwrap(), acknowledged);
        if seen > until {
            break;
        }
    }
    process.kill().unwrap();
    let status = process.wait().unwrap();
    assert!(status.code().is_none(), "the child ended by itself: {status}");
    for line in lines.map_while(Result::ok) {
        note(&line, acknowledged);
    }
}

fn note(line: &str, acknowledged: &mut HashMap<u64, (u64, u64)>) -> u64 {
    let numbers: Vec<u64> = line.split(' ').map_while(|part| part.parse().ok()).collect();
    // A line that was cut by the death may be a shorter number.
    let [seq, producer, number] = numbers[..] else { return 0 };
    if producer < PRODUCERS {
        acknowledged.insert(seq, (producer, number));
    }
    1
}

fn check(dir: &Path, acknowledged: &HashMap<u64, (u64, u64)>) {
    let (log, recovery) = Log::open(dir, Options::default()).unwrap();
    assert!(recovery.gaps.is_empty(), "{recovery:?}");
    drop(log);
    let reader = Reader::open(dir).unwrap();
    let mut cursor = reader.cursor(1).unwrap();
    let mut next = [0; PRODUCERS as usize];
    let mut found = 0;
    while let Some(item) = cursor.next().unwrap() {
        let Item::Record(record) = item else { panic!("{item:?}") };
        let producer = u64::from(record.session[0]) - 1;
        let number = next[producer as usize];
        assert_eq!(record.payload, payload(producer, number), "seq {}", record.seq);
        next[producer as usize] += 1;
        if let Some(said) = acknowledged.get(&record.seq) {
            assert_eq!(*said, (producer, number), "seq {}", record.seq);
            found += 1;
        }
    }
    assert_eq!(found, acknowledged.len(), "acknowledged and not there");
    assert_eq!(reader.verify(true).unwrap().problems, []);
}
