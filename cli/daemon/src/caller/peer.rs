//! Who calls, by evidence: the process at the other end of the socket, and those above it.
//!
//! What always holds: what a caller says of itself counts only where nothing tells that an agent calls:
//! neither a server of this daemon is above it, nor the daemon itself, to which comes whatever lost its
//! parent below a server, nor a mark of one in the environment of it or of one above it. Below a server it is the
//! agent whose command it is proven to be, elsewhere one without a name.

use super::nameless;
use super::proof::{self, SESSION_VARIABLES};
use crate::daemon::Daemon;
use crate::servers::pool::{MARK, Server};
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use sm_ingest::app_server::ProcessId;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};

/// How far up processes are followed.
const ANCESTORS_MAX: usize = 256;

/// The process that connected and those above it, the nearest first; none where the system does not
/// tell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer(Vec<ProcessId>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Peer {
        let credentials = stream.io().peer_cred().ok();
        let pid = credentials.and_then(|credentials| u32::try_from(credentials.pid()?).ok());
        Peer(pid.map(lineage).unwrap_or_default())
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Peer {
        let io = stream.io();
        let ends = io.peer_addr().ok().zip(io.local_addr().ok());
        // All that every process has open is looked through: other tasks go on meanwhile.
        let pid = tokio::task::block_in_place(|| {
            ends.and_then(|(theirs, ours)| owner(socket_inode(theirs, ours)?))
        });
        Peer(pid.map(lineage).unwrap_or_default())
    }
}

/// The inode of this machine's socket whose own end is `theirs` and whose other end is `ours`.
fn socket_inode(theirs: SocketAddr, ours: SocketAddr) -> Option<u64> {
    let table = if theirs.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let table = std::fs::read_to_string(table).ok()?;
    let (theirs, ours) = (in_table(theirs), in_table(ours));
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = *fields.get(1)? == theirs && *fields.get(2)? == ours;
        fields.get(9).filter(|_| is_it)?.parse().ok()
    })
}

/// An address as the system's table has it: words of the machine's own byte order, in hexadecimal.
fn in_table(address: SocketAddr) -> String {
    let bytes = match address {
        SocketAddr::V4(address) => address.ip().octets().to_vec(),
        SocketAddr::V6(address) => address.ip().octets().to_vec(),
    };
    let words =
        bytes.chunks_exact(4).filter_map(|word| Some(u32::from_ne_bytes(word.try_into().ok()?)));
    let words: String = words.map(|word| format!("{word:08X}")).collect();
    format!("{words}:{:04X}", address.port())
}

/// A process that has the socket open; only this user's can be looked into.
fn owner(inode: u64) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    let mut pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.find(|pid: &u32| {
        let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let mut open = open.filter_map(Result::ok);
        open.any(|file| {
            std::fs::metadata(file.path()).is_ok_and(|file| {
                file.ino() == inode && rustix::fs::FileType::from_raw_mode(file.mode()).is_socket()
            })
        })
    })
}

/// A process and those above it.
fn lineage(pid: u32) -> Vec<ProcessId> {
    std::iter::successors(ProcessId::of(pid), ProcessId::parent).take(ANCESTORS_MAX).collect()
}

/// What stands above a peer.
enum Above {
    /// A server, and the process next below it on the way to the peer.
    Server(Arc<Server>, Option<ProcessId>),
    /// The daemon, and no server of it.
    Daemon,
    Others,
}

impl Peer {
    /// Who asks: as `claimed`, unless the peer is an agent of a server that this daemon runs.
    pub async fn by(&self, daemon: &Daemon, claimed: Option<String>) -> Option<String> {
        match self.above(daemon) {
            Above::Server(server, Some(top)) => {
                let thread = proof::thread_of(daemon, &server, top).await;
                Some(thread.unwrap_or_else(|| nameless(server.source)))
            }
            Above::Server(server, None) => Some(nameless(server.source)),
            Above::Daemon => Some(nameless(self.marked(daemon).unwrap_or(0))),
            Above::Others => self.marked(daemon).map(nameless).or(claimed),
        }
    }

    fn above(&self, daemon: &Daemon) -> Above {
        let running = daemon.pool.running();
        let nearest = self.0.iter().enumerate().find_map(|(at, process)| {
            let server = running.iter().find(|server| server.app.process() == *process)?;
            let below = at.checked_sub(1).and_then(|below| self.0.get(below));
            Some(Above::Server(Arc::clone(server), below.copied()))
        });
        let is_orphan = || self.0.iter().skip(1).any(|above| above.pid == std::process::id());
        nearest.unwrap_or_else(|| if is_orphan() { Above::Daemon } else { Above::Others })
    }

    /// The source of the server by which the peer, or one above it, is marked: as all is that it starts.
    fn marked(&self, daemon: &Daemon) -> Option<u64> {
        self.0.iter().find_map(|process| {
            let mark = process.variable(MARK).and_then(|mark| {
                let (log, source) = mark.split_once(':')?;
                source.parse().ok().filter(|_| log == daemon.log().id().to_string())
            });
            mark.or_else(|| {
                SESSION_VARIABLES.iter().find_map(|name| {
                    let session = daemon.find(&process.variable(name)?, None).ok()?.session;
                    // Nobody runs in a transcript.
                    daemon.codex_home_of(&session).ok().map(|_| session.source)
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_tcp_connection_is_found() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
            let ours = listener.local_addr().unwrap();
            let theirs = std::net::TcpStream::connect(ours).unwrap();
            let inode = socket_inode(theirs.local_addr().unwrap(), ours).unwrap();
            assert_eq!(owner(inode), Some(std::process::id()));
        }
    }

    #[test]
    fn a_lineage_leads_from_a_process_to_those_above_it() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let lineage = lineage(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        let pids: Vec<u32> = lineage.iter().map(|process| process.pid).collect();
        assert_eq!(pids[..2], [child.id(), std::process::id()]);
        assert!(lineage.is_sorted_by(|below, above| below.started >= above.started));
    }
}
