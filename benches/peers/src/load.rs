//! What is appended: payloads shaped like real traffic, or recorded ones.

use std::path::Path;

use sm_log::Entry;

/// How many records a run appends.
pub const RECORDS: usize = 200_000;
/// How many sessions they belong to.
pub const SESSIONS: usize = 1_000;

/// Payloads, and whose they are. Twelve sessions are at work at a time.
pub struct Load {
    bytes: Vec<u8>,
    places: Vec<(usize, usize)>,
    /// The sessions' keys.
    pub keys: Vec<[u8; 16]>,
    /// Which session each record belongs to.
    pub sessions: Vec<usize>,
}

/// A small random generator: the same load each time.
pub struct Random(pub u64);

impl Random {
    /// A number below `below`.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

impl Load {
    /// Most small, few large, about 600 bytes in the mean; bytes that hardly compress.
    pub fn mixed() -> Load {
        let mut random = Random(1);
        let mut lens = Vec::new();
        for _ in 0..RECORDS {
            lens.push(match random.below(1000) {
                0..700 => 208 + random.below(50) as usize,
                700..940 => 300 + random.below(900) as usize,
                940..995 => 1500 + random.below(5000) as usize,
                _ => 8000 + random.below(12000) as usize,
            });
        }
        let bytes: Vec<u8> = (0..1 << 20).map(|_| b' ' + random.below(90) as u8).collect();
        let places = lens.iter().enumerate();
        let places = places.map(|(index, &len)| ((index * 4099) % (bytes.len() - len), len));
        Load::new(places.collect(), bytes, &mut random)
    }

    /// The recorded captures but for `bigoutput`, whose few lines of 400 KB would hide the rest.
    /// Over and over, but they are longer than what one block compresses together.
    pub fn recorded() -> Load {
        let dir =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures/codex-0.169.0");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir).expect("the captures are part of the repository") {
            let path = entry.expect("a name").path();
            let name = path.to_string_lossy().into_owned();
            let other = name.ends_with(".tap.jsonl") || name.ends_with("bigoutput.jsonl");
            if name.ends_with(".jsonl") && !other {
                names.push(path);
            }
        }
        names.sort();
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for name in names {
            let text = std::fs::read(name).expect("a capture");
            for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                places.push((bytes.len(), line.len()));
                bytes.extend_from_slice(line);
            }
        }
        let places: Vec<_> = places.iter().copied().cycle().take(RECORDS).collect();
        Load::new(places, bytes, &mut Random(2))
    }

    fn new(places: Vec<(usize, usize)>, bytes: Vec<u8>, random: &mut Random) -> Load {
        let keys = (0..SESSIONS as u128).map(|n| (n * 0x9E37_79B9_7F4A_7C15).to_le_bytes());
        let mut active: Vec<usize> = (0..12).collect();
        let mut sessions = Vec::new();
        for _ in 0..RECORDS {
            let at = random.below(12) as usize;
            if random.below(20) == 0 {
                active[at] = random.below(SESSIONS as u64) as usize;
            }
            sessions.push(active[at]);
        }
        Load { bytes, places, keys: keys.collect(), sessions }
    }

    /// One record's payload.
    pub fn payload(&self, index: usize) -> &[u8] {
        let (from, len) = self.places[index % RECORDS];
        &self.bytes[from..from + len]
    }

    /// One record.
    pub fn entry(&self, index: usize) -> Entry<'_> {
        Entry {
            time: index as i64,
            session: &self.keys[self.sessions[index % RECORDS]],
            payload: self.payload(index),
            ..Entry::default()
        }
    }

    /// Bytes of the first payloads.
    pub fn payload_bytes(&self, records: usize) -> usize {
        (0..records).map(|index| self.payload(index).len()).sum()
    }
}
