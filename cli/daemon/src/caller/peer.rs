//! Who calls, by evidence: the process at the other end of the socket, and those above it.
//!
//! What always holds: it is looked at once for each connection, when that is taken, and of whom nothing can be
//! told nothing is done. What a caller says of itself counts only where nothing tells that an agent calls:
//! neither a server of this daemon is above it, nor the daemon itself, to which comes whatever lost its
//! parent below a server, nor a mark of one in the environment of it or of one above it, and those above it are
//! known up to the first. Below a server it is the agent whose command it is proven to be, elsewhere one
//! without a name.

use super::nameless;
use super::proof::{self, SESSION_VARIABLES};
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::servers::pool::{MARK, Server};
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use sm_ingest::app_server::{ProcessId, Vanished};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::block_in_place;

/// How far up processes are followed. Who hides behind more is no user.
const ANCESTORS_MAX: usize = 4096;

/// How often it is looked anew where processes end meanwhile.
const LOOKS_MAX: usize = 20;

/// Who connected, as it was when the connection was taken.
#[derive(Debug, Clone)]
pub(crate) struct Peer(Arc<Evidence>);

#[derive(Debug)]
enum Evidence {
    /// The system tells of no process at all.
    NoSystem,
    /// It ended before it was looked at, or cannot be looked at.
    Nobody,
    /// The processes that hold the connection.
    Seen(Vec<Lineage>),
}

/// A process and those above it.
#[derive(Debug)]
struct Lineage {
    /// The nearest first.
    links: Vec<Link>,
    /// Whether they are all that there are.
    is_whole: bool,
}

#[derive(Debug)]
struct Link {
    process: ProcessId,
    /// What its environment has as [`MARK`].
    mark: Option<String>,
    /// What it has as [`SESSION_VARIABLES`].
    sessions: [Option<String>; 2],
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Peer {
        let seen = || {
            let pid = u32::try_from(stream.io().peer_cred().ok()?.pid()?).ok()?;
            let held = held(stream.io()).ok()?;
            let lineage = lineage(ProcessId::of(pid)?)?;
            // While it had not ended, its pid was no other's.
            (!held.is_some_and(|held| has_ended(&held))).then(|| vec![lineage])
        };
        Peer::of(block_in_place(seen))
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Peer {
        let io = stream.io();
        let ends = io.peer_addr().ok().zip(io.local_addr().ok());
        // All that every process has open is looked through: other tasks go on meanwhile.
        Peer::of(block_in_place(|| {
            let (theirs, ours) = ends?;
            let holders = holders(socket_inode(theirs, ours)?);
            // Of one that cannot be told of any more nothing is known, whatever the others are.
            holders.into_iter().map(lineage).collect()
        }))
    }
}

/// The process that connected, held: as long as it has not ended, its pid is no other's. `None` where the system
/// has no such thing (Linux has it from 6.5 on): there its start time has to do.
fn held(stream: &impl AsFd) -> io::Result<Option<OwnedFd>> {
    #[cfg(target_os = "linux")]
    match nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerPidfd) {
        Ok(held) => return Ok(Some(held)),
        Err(nix::errno::Errno::ENOPROTOOPT) => {}
        Err(error) => return Err(error.into()),
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
    Ok(None)
}

fn has_ended(held: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    // It can be read from once there is an end to be told.
    let mut held = [PollFd::new(held, PollFlags::IN)];
    poll(&mut held, Some(&Timespec::default())) != Ok(0)
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

/// The processes that have the socket open; only this user's can be looked into.
fn holders(inode: u64) -> Vec<ProcessId> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let holds = |process: &ProcessId| {
        let open = std::fs::read_dir(format!("/proc/{}/fd", process.pid)).into_iter().flatten();
        open.filter_map(Result::ok).any(|file| {
            std::fs::metadata(file.path()).is_ok_and(|file| {
                file.ino() == inode && rustix::fs::FileType::from_raw_mode(file.mode()).is_socket()
            })
        })
    };
    pids.filter_map(ProcessId::of).filter(holds).collect()
}

/// A process and those above it; `None` where it has ended.
fn lineage(of: ProcessId) -> Option<Lineage> {
    for _ in 0..LOOKS_MAX {
        let (links, end) = links(of);
        // Remains have a parent still, and no environment.
        if !of.is_alive() {
            return None;
        }
        if let Ok(is_whole) = end {
            return Some(Lineage { links, is_whole });
        }
        // What lost its parent meanwhile has another now.
    }
    Some(Lineage { links: links(of).0, is_whole: false })
}

/// A process and those above it as far as they can be followed, and whether that is up to the first.
fn links(of: ProcessId) -> (Vec<Link>, Result<bool, Vanished>) {
    let mut links = Vec::new();
    let mut next = of;
    while links.len() < ANCESTORS_MAX {
        let [mark, sessions @ ..] =
            next.variables([MARK, SESSION_VARIABLES[0], SESSION_VARIABLES[1]]);
        links.push(Link { process: next, mark, sessions });
        // This tells also that it was there still when its environment was read.
        match next.parent() {
            Ok(Some(above)) => next = above,
            Ok(None) => return (links, Ok(true)),
            Err(vanished) => return (links, Err(vanished)),
        }
    }
    (links, Ok(false))
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
    fn of(seen: Option<Vec<Lineage>>) -> Peer {
        Peer(Arc::new(match seen {
            _ if ProcessId::of(std::process::id()).is_none() => Evidence::NoSystem,
            Some(lineages) if !lineages.is_empty() => Evidence::Seen(lineages),
            _ => Evidence::Nobody,
        }))
    }

    /// Who asks: as `claimed`, unless the peer is an agent of a server that this daemon runs.
    ///
    /// # Errors
    /// `forbidden` where nothing can be told of the peer.
    pub async fn by(
        &self,
        daemon: &Daemon,
        claimed: Option<String>,
    ) -> Result<Option<String>, Refusal> {
        let lineages = match &*self.0 {
            Evidence::NoSystem => return Ok(claimed),
            Evidence::Nobody => return Err(unseen()),
            Evidence::Seen(lineages) => lineages,
        };
        for lineage in lineages {
            if let Some(agent) = lineage.agent(daemon).await {
                return Ok(Some(agent));
            }
        }
        Ok(claimed)
    }
}

/// Nothing is done for one of whom nothing is known: it may be anybody.
fn unseen() -> Refusal {
    Refusal::forbidden("the caller ended before it could be looked at, or cannot be looked at").hint(
        "call again, and wait for the answer; over TCP call as a process of this user on this machine",
    )
}

impl Lineage {
    /// The agent that it is, in the word recorded; `None` where nothing tells of one.
    async fn agent(&self, daemon: &Daemon) -> Option<String> {
        match self.above(daemon) {
            Above::Server(server, Some(top)) => {
                let thread = proof::thread_of(daemon, &server, top).await;
                Some(thread.unwrap_or_else(|| nameless(server.source)))
            }
            Above::Server(server, None) => Some(nameless(server.source)),
            Above::Daemon => Some(nameless(self.marked(daemon).unwrap_or(0))),
            // What is above the rest of them may be a server.
            Above::Others => self.marked(daemon).or((!self.is_whole).then_some(0)).map(nameless),
        }
    }

    fn above(&self, daemon: &Daemon) -> Above {
        let running = daemon.pool.running();
        let nearest = self.links.iter().enumerate().find_map(|(at, link)| {
            let server = running.iter().find(|server| server.app.process() == link.process)?;
            let below = at.checked_sub(1).and_then(|below| self.links.get(below));
            Some(Above::Server(Arc::clone(server), below.map(|below| below.process)))
        });
        let me = std::process::id();
        let is_orphan = || self.links.iter().skip(1).any(|above| above.process.pid == me);
        nearest.unwrap_or_else(|| if is_orphan() { Above::Daemon } else { Above::Others })
    }

    /// The source of the server by which the peer, or one above it, is marked: as all is that it starts.
    fn marked(&self, daemon: &Daemon) -> Option<u64> {
        self.links.iter().find_map(|link| {
            let mark = link.mark.as_ref().and_then(|mark| {
                let (log, source) = mark.split_once(':')?;
                // An agent of another daemon's is none of this one's sessions, and no user either.
                let is_own = log == daemon.log().id().to_string();
                source.parse().ok().map(|source| if is_own { source } else { 0 })
            });
            mark.or_else(|| {
                link.sessions.iter().flatten().find_map(|word| {
                    let session = daemon.find(word, None).ok()?.session;
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
    use std::io::Read;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    #[test]
    fn who_holds_a_tcp_connection_is_found() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
            let ours = listener.local_addr().unwrap();
            let theirs = std::net::TcpStream::connect(ours).unwrap();
            let inode = socket_inode(theirs.local_addr().unwrap(), ours).unwrap();
            let held = theirs.try_clone().unwrap();
            let me = ProcessId::of(std::process::id()).unwrap();
            // Another test may just fork.
            assert!(holders(inode).contains(&me));
            let mut other = Command::new("sleep");
            let mut other =
                other.arg("1000").stdin(Stdio::from(OwnedFd::from(held))).spawn().unwrap();
            assert!(holders(inode).contains(&ProcessId::of(other.id()).unwrap()));
            other.kill().unwrap();
            other.wait().unwrap();
        }
    }

    /// The pids of a lineage.
    fn pids(lineage: &Lineage) -> Vec<u32> {
        lineage.links.iter().map(|link| link.process.pid).collect()
    }

    #[test]
    fn a_lineage_leads_from_a_process_to_the_first_one() {
        let mut child = Command::new("sleep").arg("1000").env(MARK, "a:1").spawn().unwrap();
        let process = ProcessId::of(child.id()).unwrap();
        // Between fork and exec it still has its parent's environment.
        let found = std::iter::repeat_with(|| lineage(process).unwrap())
            .find(|lineage| lineage.links[0].mark.is_some())
            .unwrap();
        child.kill().unwrap();
        while process.is_alive() {
            std::thread::yield_now();
        }
        assert!(lineage(process).is_none(), "its remains tell nothing");
        child.wait().unwrap();
        assert!(found.is_whole);
        assert_eq!(found.links[0].mark.as_deref(), Some("a:1"));
        assert_eq!(pids(&found)[..2], [child.id(), std::process::id()]);
        let processes = || found.links.iter().map(|link| link.process.started);
        assert!(processes().is_sorted_by(|below, above| below >= above));
        assert!(lineage(process).is_none());
    }

    #[test]
    fn nobody_is_too_deep_to_be_followed() {
        let dive =
            r#"if [ "$1" -gt 0 ]; then sh -c "$0" "$0" $(($1 - 1)); exit; fi; echo $$; read x"#;
        let mut top = Command::new("sh");
        let top = top.args(["-c", dive, dive, "400"]).env_clear().process_group(0);
        let mut top = top.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut out = top.stdout.take().unwrap();
        while !said.ends_with('\n') {
            let mut byte = [0];
            out.read_exact(&mut byte).unwrap();
            said.push(char::from(byte[0]));
        }
        let deepest = ProcessId::of(said.trim().parse().unwrap()).unwrap();
        let found = lineage(deepest).unwrap();
        drop(top.stdin.take());
        top.wait().unwrap();
        assert!(found.is_whole && found.links.len() > 400, "{}", found.links.len());
        assert!(pids(&found).contains(&std::process::id()));
    }

    #[test]
    fn a_process_is_held_until_it_has_ended() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        // Older systems have nothing to hold it by.
        let Some(held) = held(&ours).unwrap() else { return };
        assert!(!has_ended(&held));
    }
}
