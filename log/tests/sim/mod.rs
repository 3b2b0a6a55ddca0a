//! A medium that breaks: it keeps what is live and what is durable apart, and can fail and tear.
//!
//! * A write is live at once and durable after the file's next successful sync. A power cut keeps,
//!   for each 512-byte sector, any one of the versions it had since then.
//! * A failed sync may leave anything of what was written before it, and no later sync brings the
//!   rest. Each open file is told of it once: as Linux does it.
//! * Names are live at once; a power cut keeps any prefix of the changes since the last
//!   `sync_names`.
//! * The shared words reach the medium when [`Sim::flush_words`] is called, or in part at the cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};

use sm_log::storage::{File, Lock, Storage, View, WORDS, Words};

const SECTOR: usize = 512;

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    Create,
    /// Some of the bytes are written, then it fails.
    Write,
    Sync,
    Allocate,
    Rename,
    Remove,
    SyncNames,
}

pub const ACTS: [Act; 7] =
    [Act::Create, Act::Write, Act::Sync, Act::Allocate, Act::Rename, Act::Remove, Act::SyncNames];

/// A small random generator, so that a seed tells the whole story.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// The medium. Clones share it; [`Sim::cut`] and [`Sim::kill`] give the next one.
#[derive(Clone)]
pub struct Sim(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    words: Arc<SimWords>,
    dead: AtomicBool,
    locked: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<String, Arc<Inode>>,
    durable_names: BTreeMap<String, Arc<Inode>>,
    changes: Vec<Change>,
    words_made: bool,
    durable_words: Vec<u64>,
    /// How many more of each act succeed before the given number of them fails.
    faults: BTreeMap<Act, (u32, u32)>,
    /// How many more acts there are before the machine dies.
    lives: Option<u32>,
    /// Sync lies: says yes and does nothing. To see that the tests would notice.
    pub lying: bool,
}

enum Change {
    Create(String, Arc<Inode>),
    Rename(String, String),
    Remove(String),
}

struct Inode {
    sim: std::sync::Weak<Inner>,
    bytes: Mutex<Bytes>,
    /// Syncs that failed.
    failures: AtomicU64,
}

#[derive(Default, Clone)]
struct Bytes {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Ranges written since the last successful sync, with what they were given.
    pending: Vec<(usize, Vec<u8>)>,
    /// The same from before a failed sync, in pieces of sectors: a cut may keep them, a sync does not.
    doomed: Vec<(usize, Vec<u8>)>,
}

impl Sim {
    pub fn new() -> Sim {
        Sim::with(State::default(), SimWords::default())
    }

    fn with(state: State, words: SimWords) -> Sim {
        Sim(Arc::new(Inner {
            state: Mutex::new(state),
            words: Arc::new(words),
            dead: AtomicBool::new(false),
            locked: Arc::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// After `good` more successes, the next `bad` acts of that sort fail.
    pub fn fail(&self, act: Act, good: u32, bad: u32) {
        self.state().faults.insert(act, (good, bad));
    }

    /// The machine dies after that many more acts that change anything.
    pub fn die_after(&self, acts: u32) {
        self.state().lives = Some(acts);
    }

    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        self.0.dead.load(SeqCst)
    }

    /// No more faults.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// From now on a sync says yes and does nothing.
    pub fn lie(&self) {
        self.state().lying = true;
    }

    /// The shared words reach the medium.
    pub fn flush_words(&self) {
        let words = self.0.words.load();
        self.state().durable_words = words;
    }

    /// The process dies: the next one finds all that was live.
    pub fn kill(&self) -> Sim {
        self.0.dead.store(true, SeqCst);
        let state = self.state();
        let next = Sim::new();
        let mut copy = Copies::new(&next);
        let mut made = State { words_made: state.words_made, ..State::default() };
        made.durable_words = state.durable_words.clone();
        made.names = copy.names(&state.names);
        made.durable_names = copy.names(&state.durable_names);
        for change in &state.changes {
            made.changes.push(match change {
                Change::Create(name, inode) => Change::Create(name.clone(), copy.inode(inode)),
                Change::Rename(from, to) => Change::Rename(from.clone(), to.clone()),
                Change::Remove(name) => Change::Remove(name.clone()),
            });
        }
        next.0.words.store(&self.0.words.load());
        *next.state() = made;
        next
    }

    /// The power goes: the next process finds what the medium kept.
    pub fn cut(&self, random: &mut Random) -> Sim {
        self.0.dead.store(true, SeqCst);
        let state = self.state();
        let mut names = state.durable_names.clone();
        let kept = random.below(state.changes.len() + 1);
        for change in &state.changes[..kept] {
            change.apply(&mut names);
        }
        let next = Sim::new();
        let mut made = State { words_made: state.words_made, ..State::default() };
        for (name, inode) in names {
            let bytes = inode.bytes.lock().unwrap().cut(random);
            let bytes = Bytes { live: bytes.clone(), durable: bytes, ..Bytes::default() };
            made.names.insert(name, next.inode(bytes));
        }
        made.durable_names = made.names.clone();
        let mut words = state.durable_words.clone();
        words.resize(WORDS, 0);
        let live = self.0.words.load();
        for (sector, live) in words.chunks_mut(SECTOR / 8).zip(live.chunks(SECTOR / 8)) {
            if random.below(2) == 0 {
                sector.copy_from_slice(live);
            }
        }
        next.0.words.store(&words);
        made.durable_words = words;
        *next.state() = made;
        next
    }

    /// Changes the bytes of a file, live and durable, as rot does.
    pub fn damage(&self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        let inode = self.state().names[name].clone();
        let mut bytes = inode.bytes.lock().unwrap();
        change(&mut bytes.live);
        change(&mut bytes.durable);
    }

    /// A copy of a file's live bytes.
    pub fn read(&self, name: &str) -> Vec<u8> {
        self.state().names[name].bytes.lock().unwrap().live.clone()
    }

    /// Deletes a file, durably.
    pub fn delete(&self, name: &str) {
        self.state().names.remove(name);
        self.state().durable_names.remove(name);
    }

    /// Overwrites the shared words, live and durable.
    pub fn set_words(&self, words: &[u64]) {
        self.0.words.store(words);
        self.state().durable_words = words.to_vec();
    }

    /// The shared words as they are.
    pub fn words_now(&self) -> Vec<u64> {
        self.0.words.load()
    }

    fn inode(&self, bytes: Bytes) -> Arc<Inode> {
        let (sim, bytes) = (Arc::downgrade(&self.0), Mutex::new(bytes));
        Arc::new(Inode { sim, bytes, failures: AtomicU64::new(0) })
    }

    fn act(&self, act: Act) -> io::Result<()> {
        self.0.act(act)
    }
}

/// Inodes copied once each, whatever names they have.
struct Copies<'a> {
    next: &'a Sim,
    done: Vec<(Arc<Inode>, Arc<Inode>)>,
}

impl<'a> Copies<'a> {
    fn new(next: &'a Sim) -> Copies<'a> {
        Copies { next, done: Vec::new() }
    }

    fn inode(&mut self, inode: &Arc<Inode>) -> Arc<Inode> {
        if let Some((_, copy)) = self.done.iter().find(|(from, _)| Arc::ptr_eq(from, inode)) {
            return copy.clone();
        }
        let copy = self.next.inode(inode.bytes.lock().unwrap().clone());
        self.done.push((inode.clone(), copy.clone()));
        copy
    }

    fn names(&mut self, names: &BTreeMap<String, Arc<Inode>>) -> BTreeMap<String, Arc<Inode>> {
        names.iter().map(|(name, inode)| (name.clone(), self.inode(inode))).collect()
    }
}

impl Inner {
    fn act(&self, act: Act) -> io::Result<()> {
        if self.dead.load(SeqCst) {
            return Err(io::Error::other("the machine is off"));
        }
        let mut state = self.state.lock().unwrap();
        if let Some(lives) = &mut state.lives {
            if *lives == 0 {
                self.dead.store(true, SeqCst);
                return Err(io::Error::other("the machine dies"));
            }
            *lives -= 1;
        }
        let Some((good, bad)) = state.faults.get_mut(&act) else { return Ok(()) };
        if *good > 0 {
            *good -= 1;
            return Ok(());
        }
        if *bad == 0 {
            return Ok(());
        }
        *bad -= 1;
        Err(io::Error::other(format!("{act:?} fails")))
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Arc<Inode>>) {
        match self {
            Change::Create(name, inode) => {
                names.insert(name.clone(), inode.clone());
            }
            Change::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Change::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Bytes {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        put(&mut self.live, at, bytes);
        self.pending.push((at, bytes.to_vec()));
    }

    /// A sector that was written is brought to the medium as it is now, with what a failed sync had
    /// left of it; the other ones of that sync stay as doomed as they were.
    fn sync(&mut self) {
        let mut touched = BTreeSet::new();
        for (at, bytes) in std::mem::take(&mut self.pending) {
            put(&mut self.durable, at, &bytes);
            touched.extend(at / SECTOR..(at + bytes.len()).div_ceil(SECTOR));
        }
        for sector in &touched {
            let to = self.live.len().min(sector * SECTOR + SECTOR);
            let now = self.live[(sector * SECTOR).min(to)..to].to_vec();
            put(&mut self.durable, sector * SECTOR, &now);
        }
        self.doomed.retain(|(at, _)| !touched.contains(&(at / SECTOR)));
    }

    fn fail_sync(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.pending) {
            let mut from = 0;
            while from < bytes.len() {
                let to = bytes.len().min((at + from) / SECTOR * SECTOR + SECTOR - at);
                self.doomed.push((at + from, bytes[from..to].to_vec()));
                from = to;
            }
        }
    }

    /// For each sector one of the versions it may have.
    fn cut(&self, random: &mut Random) -> Vec<u8> {
        let mut versions = vec![self.durable.clone()];
        for (at, bytes) in self.doomed.iter().chain(&self.pending) {
            let mut next = versions.last().unwrap().clone();
            put(&mut next, *at, bytes);
            versions.push(next);
        }
        let len = versions[random.below(versions.len())].len().max(self.durable.len());
        let mut kept = vec![0; len];
        for (index, sector) in kept.chunks_mut(SECTOR).enumerate() {
            // Often the newest: else nothing but the oldest would ever be found whole.
            let version = match random.below(3) {
                0 => &versions[versions.len() - 1],
                _ => &versions[random.below(versions.len())],
            };
            let from = (index * SECTOR).min(version.len());
            let to = (from + sector.len()).min(version.len());
            sector[..to - from].copy_from_slice(&version[from..to]);
        }
        kept
    }
}

fn put(into: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if into.len() < at + bytes.len() {
        into.resize(at + bytes.len(), 0);
    }
    into[at..at + bytes.len()].copy_from_slice(bytes);
}

impl Storage for Sim {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("sim").join(name)
    }

    fn make(&self) -> io::Result<()> {
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.act(Act::Create)?;
        let mut state = self.state();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.inode(Bytes::default());
        state.names.insert(name.to_owned(), inode.clone());
        state.changes.push(Change::Create(name.to_owned(), inode.clone()));
        Ok(Arc::new(SimFile::new(inode)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let inode = self.state().names.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile::new(inode)))
    }

    fn open_read(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.act(Act::Rename)?;
        let mut state = self.state();
        let change = Change::Rename(from.to_owned(), to.to_owned());
        change.apply(&mut state.names);
        state.changes.push(change);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.act(Act::Remove)?;
        let mut state = self.state();
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.changes.push(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        self.act(Act::SyncNames)?;
        let mut state = self.state();
        state.changes.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn words(&self, _name: &str, write: bool) -> io::Result<Arc<dyn Words>> {
        let mut state = self.state();
        if !state.words_made && !write {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.words_made = true;
        Ok(self.0.words.clone())
    }

    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn Lock>>> {
        if self.0.locked.swap(true, SeqCst) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimLock(self.0.locked.clone()))))
    }

    fn lock_holder(&self, _name: &str) -> Option<u32> {
        None
    }
}

struct SimLock(Arc<AtomicBool>);

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

struct SimFile {
    inode: Arc<Inode>,
    /// Failures that this open file has told of.
    told: AtomicU64,
}

impl SimFile {
    fn new(inode: Arc<Inode>) -> SimFile {
        let told = AtomicU64::new(inode.failures.load(SeqCst));
        SimFile { inode, told }
    }

    fn act(&self, act: Act) -> io::Result<()> {
        match self.inode.sim.upgrade() {
            Some(sim) => sim.act(act),
            None => Err(io::Error::other("the machine is gone")),
        }
    }

    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.inode.bytes.lock().unwrap()
    }
}

impl File for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().live.len() as u64)
    }

    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        let all = parts.concat();
        let at = position as usize;
        match self.act(Act::Write) {
            Ok(()) => self.bytes().write(at, &all),
            Err(error) => {
                self.bytes().write(at, &all[..all.len() * 2 / 3]);
                return Err(error);
            }
        }
        Ok(())
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<()> {
        let bytes = self.bytes();
        let at = position as usize;
        let found = bytes.live.get(at..at + into.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(found);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let result = self.act(Act::Sync);
        if self.inode.sim.upgrade().is_some_and(|sim| sim.state.lock().unwrap().lying) {
            return Ok(());
        }
        if result.is_err() {
            self.bytes().fail_sync();
            self.inode.failures.fetch_add(1, SeqCst);
        }
        let failures = self.inode.failures.load(SeqCst);
        if self.told.swap(failures, SeqCst) != failures {
            return Err(io::Error::other("Sync failed, here or elsewhere"));
        }
        self.bytes().sync();
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.act(Act::Allocate)?;
        let mut bytes = self.bytes();
        let have = bytes.live.len();
        if have < len as usize {
            let zeros = vec![0; len as usize - have];
            bytes.write(have, &zeros);
        }
        Ok(())
    }

    fn view(&self, len: u64) -> io::Result<View> {
        let bytes = self.bytes();
        let bytes = bytes.live.get(..len as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(View::copied(bytes.to_vec()))
    }
}

struct SimWords(Vec<AtomicU64>);

impl SimWords {
    fn load(&self) -> Vec<u64> {
        self.0.iter().map(|word| word.load(SeqCst)).collect()
    }

    fn store(&self, words: &[u64]) {
        for (to, from) in self.0.iter().zip(words) {
            to.store(*from, SeqCst);
        }
    }
}

impl Default for SimWords {
    fn default() -> SimWords {
        SimWords((0..WORDS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Words for SimWords {
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

/// The way back is the way there: the same records, and the same seqs that cannot be read.
pub fn assert_both_ways(reader: &sm_log::Reader, from: u64) {
    fn keep(walked: &mut Vec<(u64, Option<Vec<u8>>)>, item: sm_log::Item<'_>, back: bool) {
        match item {
            sm_log::Item::Record(record) => {
                walked.push((record.seq, Some(record.payload.to_vec())));
            }
            sm_log::Item::Gap(gap) if back => {
                walked.extend((gap.first..=gap.last).rev().map(|seq| (seq, None)));
            }
            sm_log::Item::Gap(gap) => walked.extend((gap.first..=gap.last).map(|seq| (seq, None))),
        }
    }
    let mut cursor = reader.cursor(from).unwrap();
    let (mut there, mut back) = (Vec::new(), Vec::new());
    while let Some(item) = cursor.next().unwrap() {
        keep(&mut there, item, false);
    }
    while cursor.position() > from {
        keep(&mut back, cursor.next_back().unwrap().unwrap(), true);
    }
    back.reverse();
    let seqs = |walked: &[(u64, Option<Vec<u8>>)]| {
        walked.iter().map(|(seq, payload)| (*seq, payload.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&there), seqs(&back));
    assert!(there == back, "other payloads");
    // It turns round wherever it stands.
    if let Some((seq, _)) = there.first() {
        let again = cursor.next().unwrap().unwrap();
        match again {
            sm_log::Item::Record(record) => assert_eq!(record.seq, *seq),
            sm_log::Item::Gap(gap) => assert_eq!(gap.first, *seq),
        }
    }
}
