//! The peers, each by its public interface, in one thread, with what it has by default.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};

use crate::load::{Load, RECORDS, Random};
use crate::{Figure, Place, latencies, rate};

/// An engine that takes groups of payloads.
pub trait Peer {
    /// Appends a group; `first` is the number of its first record.
    fn append(&mut self, load: &Load, first: usize, count: usize);
    /// What is buffered in the process goes to the system.
    fn flush(&mut self) {}
}

/// Groups of records, one after the other; the latency is that of a group.
pub fn groups(
    peer: impl Fn(&Path) -> Box<dyn Peer>,
    load: &Load,
    group: usize,
    of: usize,
) -> Figure {
    let place = Place::new("peer");
    let mut peer = peer(&place.0);
    let (start, mut all) = (Instant::now(), Vec::new());
    for number in 0..of {
        let begin = Instant::now();
        peer.append(load, number * group, group);
        all.push(begin.elapsed().as_nanos() as u64);
    }
    peer.flush();
    let took = start.elapsed();
    Figure { rate: (of * group) as f64 / took.as_secs_f64(), ..latencies(all, took) }
}

/// SQLite, one row a record.
pub struct Sqlite(Connection);

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS r (seq INTEGER PRIMARY KEY, time INT, session BLOB, payload BLOB)";
const INDEX: &str = "CREATE INDEX by_session ON r (session, seq)";

impl Sqlite {
    /// With a write-ahead log; `synchronous` is `FULL` or `NORMAL`.
    pub fn open(dir: &Path, synchronous: &str) -> Sqlite {
        let db = Connection::open(dir.join("db")).expect("a database");
        db.pragma_update(None, "journal_mode", "WAL").expect("pragma");
        db.pragma_update(None, "synchronous", synchronous).expect("pragma");
        db.pragma_update(None, "mmap_size", 1i64 << 30).expect("pragma");
        db.pragma_update(None, "cache_size", -262_144).expect("pragma");
        db.execute_batch(SCHEMA).expect("schema");
        Sqlite(db)
    }
}

impl Peer for Sqlite {
    fn append(&mut self, load: &Load, first: usize, count: usize) {
        let transaction = self.0.transaction().expect("begin");
        let sql = "INSERT INTO r VALUES (?, ?, ?, ?)";
        let mut insert = transaction.prepare_cached(sql).expect("statement");
        for index in first..first + count {
            let entry = load.entry(index);
            let values = params![index as i64, entry.time, entry.session, entry.payload];
            insert.execute(values).expect("insert");
        }
        drop(insert);
        transaction.commit().expect("commit");
    }
}

/// A database with all records and an index, to be read.
pub struct Filled(Sqlite, Place);

impl Filled {
    /// Fills one.
    pub fn new(load: &Load) -> Filled {
        let place = Place::new("sqlite");
        let mut db = Sqlite::open(&place.0, "NORMAL");
        (0..RECORDS).step_by(1000).for_each(|first| db.append(load, first, 1000));
        db.0.execute_batch(INDEX).expect("index");
        db.0.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("checkpoint");
        Filled(db, place)
    }

    /// Bytes of its file.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(self.1.0.join("db")).expect("the file").len()
    }

    /// All rows in order.
    pub fn replay(&self) -> Figure {
        let mut select = self.0.0.prepare("SELECT payload FROM r ORDER BY seq").expect("statement");
        let (start, mut bytes) = (Instant::now(), 0);
        let mut rows = select.query([]).expect("query");
        while let Some(row) = rows.next().expect("row") {
            bytes += row.get_ref(0).expect("payload").as_blob().expect("blob").len();
        }
        let took = start.elapsed();
        Figure { p50: bytes as f64 / took.as_secs_f64() / 1e9, ..rate(RECORDS, took) }
    }

    /// Single rows.
    pub fn get(&self, count: usize) -> Figure {
        let mut select =
            self.0.0.prepare("SELECT payload FROM r WHERE seq = ?").expect("statement");
        let (mut random, mut all) = (Random(3), Vec::new());
        let start = Instant::now();
        for _ in 0..count {
            let begin = Instant::now();
            let seq = random.below(RECORDS as u64) as i64;
            let len =
                |row: &rusqlite::Row<'_>| Ok(row.get_ref(0)?.as_blob().map_or(0, <[u8]>::len));
            black_box(select.query_row([seq], len).expect("row"));
            all.push(begin.elapsed().as_nanos() as u64);
        }
        latencies(all, start.elapsed())
    }

    /// All rows of 200 sessions, by the index.
    pub fn sessions(&self, load: &Load) -> Figure {
        let sql = "SELECT seq, payload FROM r WHERE session = ? ORDER BY seq";
        let mut select = self.0.0.prepare(sql).expect("statement");
        let (start, mut records) = (Instant::now(), 0);
        for key in load.keys.iter().take(200) {
            let mut rows = select.query([&key[..]]).expect("query");
            while let Some(row) = rows.next().expect("row") {
                black_box(row.get_ref(1).expect("payload").as_blob().expect("blob").len());
                records += 1;
            }
        }
        rate(records, start.elapsed())
    }
}

/// seglog: buffered, or synced for each group.
pub struct Seglog {
    writer: seglog::write::Writer<0>,
    sync: bool,
}

impl Seglog {
    /// One segment for all.
    pub fn open(dir: &Path, sync: bool) -> Seglog {
        let writer = seglog::write::Writer::create(dir.join("segment"), 256 << 20, 0);
        Seglog { writer: writer.expect("a segment"), sync }
    }
}

impl Peer for Seglog {
    fn append(&mut self, load: &Load, first: usize, count: usize) {
        for index in first..first + count {
            self.writer.append_data(load.payload(index)).expect("append");
        }
        if self.sync {
            self.writer.commit((first + count) as u64).expect("commit");
        }
    }

    fn flush(&mut self) {
        self.writer.flush_writer().expect("flush");
    }
}

/// Replay of all records by seglog.
pub fn seglog_replay(load: &Load) -> Figure {
    let place = Place::new("peer");
    let mut peer = Seglog::open(&place.0, false);
    peer.append(load, 0, RECORDS);
    peer.writer.sync().expect("sync");
    let flushed = peer.writer.flushed_offset();
    let reader = seglog::read::Reader::<0>::open(place.0.join("segment"), Some(flushed));
    let mut reader = reader.expect("a reader");
    let (start, mut bytes, mut records) = (Instant::now(), 0, 0);
    let mut records_of = reader.iter(0);
    while let Some(record) = records_of.next_record().expect("record") {
        (bytes, records) = (bytes + record.data.len(), records + 1);
    }
    assert_eq!(records, RECORDS);
    let took = start.elapsed();
    Figure { p50: bytes as f64 / took.as_secs_f64() / 1e9, ..rate(records, took) }
}

/// commitlog: its data is never synced.
pub struct Commitlog(commitlog::CommitLog);

impl Commitlog {
    /// With segments as long as the log's.
    pub fn open(dir: &Path) -> Commitlog {
        let mut options = commitlog::LogOptions::new(dir.join("log"));
        options.segment_max_bytes(64 << 20).message_max_bytes(2 << 20);
        Commitlog(commitlog::CommitLog::new(options).expect("a log"))
    }
}

impl Peer for Commitlog {
    fn append(&mut self, load: &Load, first: usize, count: usize) {
        for index in first..first + count {
            self.0.append_msg(load.payload(index)).expect("append");
        }
    }
}

/// okaywal: a group is an entry, always synced.
pub struct Okaywal(okaywal::WriteAheadLog);

impl Okaywal {
    /// With segments as long as the log's.
    pub fn open(dir: &Path) -> Okaywal {
        let configuration = okaywal::Configuration::default_for(dir.join("wal"))
            .preallocate_bytes(64 << 20)
            .checkpoint_after_bytes(60 << 20);
        Okaywal(configuration.open(okaywal::LogVoid).expect("a log"))
    }
}

impl Peer for Okaywal {
    fn append(&mut self, load: &Load, first: usize, count: usize) {
        let mut entry = self.0.begin_entry().expect("an entry");
        for index in first..first + count {
            entry.write_chunk(load.payload(index)).expect("chunk");
        }
        entry.commit().expect("commit");
    }
}

/// redb: a group is a transaction.
pub struct Redb(redb::Database, redb::Durability);

const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("r");

impl Redb {
    /// Synced at each commit, or never.
    pub fn open(dir: &Path, sync: bool) -> Redb {
        let durability = if sync { redb::Durability::Immediate } else { redb::Durability::None };
        Redb(redb::Database::create(dir.join("redb")).expect("a database"), durability)
    }
}

impl Peer for Redb {
    fn append(&mut self, load: &Load, first: usize, count: usize) {
        let mut transaction = self.0.begin_write().expect("begin");
        transaction.set_durability(self.1).expect("durability");
        let mut table = transaction.open_table(TABLE).expect("table");
        for index in first..first + count {
            table.insert(index as u64, load.payload(index)).expect("insert");
        }
        drop(table);
        transaction.commit().expect("commit");
    }
}

/// fjall: a group is a batch.
#[cfg(feature = "heavy")]
pub struct Fjall {
    db: fjall::Database,
    records: fjall::Keyspace,
    sync: bool,
}

#[cfg(feature = "heavy")]
impl Fjall {
    /// Synced at each batch, or by itself.
    pub fn open(dir: &Path, sync: bool) -> Fjall {
        let db = fjall::Database::builder(dir.join("fjall")).open().expect("a database");
        let records = db.keyspace("r", fjall::KeyspaceCreateOptions::default).expect("a keyspace");
        Fjall { db, records, sync }
    }
}

#[cfg(feature = "heavy")]
impl Peer for Fjall {
    fn append(&mut self, load: &Load, first: usize, count: usize) {
        let mut batch = self.db.batch();
        for index in first..first + count {
            batch.insert(&self.records, (index as u64).to_be_bytes(), load.payload(index));
        }
        batch.commit().expect("commit");
        if self.sync {
            self.db.persist(fjall::PersistMode::SyncData).expect("sync");
        }
    }
}

/// raft-engine: a group is a batch of entries of one region.
#[cfg(feature = "heavy")]
pub struct Raft {
    engine: raft_engine::Engine,
    sync: bool,
}

/// It asks for a protobuf message; this one needs no generated code. The index is in its first bytes.
#[cfg(feature = "heavy")]
struct Indexed;

#[cfg(feature = "heavy")]
impl raft_engine::MessageExt for Indexed {
    type Entry = protobuf::well_known_types::BytesValue;

    fn index(entry: &Self::Entry) -> u64 {
        entry.value.first_chunk().map_or(0, |index| u64::from_le_bytes(*index))
    }
}

#[cfg(feature = "heavy")]
impl Raft {
    /// With segments as long as the log's; synced at each batch, or never.
    pub fn open(dir: &Path, sync: bool) -> Raft {
        let config = raft_engine::Config {
            dir: dir.join("raft").to_string_lossy().into_owned(),
            target_file_size: raft_engine::ReadableSize::mb(64),
            ..raft_engine::Config::default()
        };
        Raft { engine: raft_engine::Engine::open(config).expect("an engine"), sync }
    }
}

#[cfg(feature = "heavy")]
impl Peer for Raft {
    fn append(&mut self, load: &Load, first: usize, count: usize) {
        let entries = (first..first + count).map(|index| {
            let mut entry = protobuf::well_known_types::BytesValue::new();
            entry.value.extend_from_slice(&(index as u64).to_le_bytes());
            entry.value.extend_from_slice(load.payload(index));
            entry
        });
        let mut batch = raft_engine::LogBatch::with_capacity(count);
        batch.add_entries::<Indexed>(1, &entries.collect::<Vec<_>>()).expect("entries");
        self.engine.write(&mut batch, self.sync).expect("write");
    }
}
