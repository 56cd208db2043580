//! The network namespaces of this host's VPCs, seen from outside: which there are, and sockets in
//! them. The data plane makes and removes them, each a file named by its VPC's id.
//!
//! A socket keeps its namespace alive, so sockets are closed as soon as the name is gone.

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

/// AmazonProvidedDNS is reached here in every VPC, beside the address after its router's.
pub const LINK_LOCAL_RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);

/// An address that no host has (RFC 5737).
const NOBODYS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 255);
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;
/// How often a namespace that is not whole yet is looked at: before its first task runs, and when it
/// does not become whole.
const SOON: Duration = Duration::from_millis(5);
const LATER: Duration = Duration::from_secs(1);
/// How often soon.
const SOON_AT_MOST: u32 = 400;

/// VPC ids, with the address of the VPC's resolver: where something is to be open.
pub type Wanted = BTreeMap<String, Ipv4Addr>;

/// What is open, and why something is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    pub vpcs: Vec<String>,
    pub troubles: Vec<String>,
    /// There is a namespace, wanted or not.
    pub any_namespace: bool,
}

/// The kernel's number of a namespace.
type Identity = (u64, u64);

/// Keeps something open in the namespace of every VPC that is wanted and has one under `dir`, until
/// the future is dropped or nobody can want more. What `open` returns is dropped when the namespace
/// or the wish is gone.
pub async fn keep_open<D>(
    dir: PathBuf,
    mut wanted: watch::Receiver<Wanted>,
    opened: watch::Sender<Opened>,
    open: impl Fn(&str, &Path, Ipv4Addr) -> io::Result<D>,
) {
    let mut names = Names::of(&dir);
    let mut doors = Doors(BTreeMap::new());
    // How often a namespace was not whole since something changed.
    let mut tries = 0;
    loop {
        let there = names.look();
        let want = wanted.borrow_and_update().clone();
        let troubles = doors.ensure(&there, &want, |vpc, address| {
            open(vpc, &dir.join(vpc), address)
        });
        if tries == SOON_AT_MOST {
            tracing::warn!(?troubles, "VPCs cannot be served yet");
        }
        let retry = match (troubles.is_empty(), tries) {
            (true, _) => None,
            (false, ..SOON_AT_MOST) => Some(SOON),
            (false, _) => Some(LATER),
        };
        let now = Opened {
            vpcs: doors.0.keys().cloned().collect(),
            troubles,
            any_namespace: !there.is_empty(),
        };
        opened.send_if_modified(|before| {
            let is_new = *before != now;
            *before = now;
            is_new
        });
        tokio::select! {
            () = names.changed() => tries = 0,
            told = wanted.changed() => match told {
                Ok(()) => tries = 0,
                Err(_) => return,
            },
            // A name is there a moment before its namespace, and that before its addresses.
            () = after(retry) => tries += 1,
        }
    }
}

/// As [`keep_open`], in every namespace that there is under `dir`, whoever knows of it, until the
/// future is dropped.
pub async fn keep_open_everywhere<D>(dir: PathBuf, open: impl Fn(&str, &Path) -> io::Result<D>) {
    let mut names = Names::of(&dir);
    let mut doors = Doors(BTreeMap::new());
    let mut tries = 0;
    loop {
        let there = names.look();
        let everywhere = there.keys().map(|vpc| (vpc.clone(), Ipv4Addr::UNSPECIFIED));
        let troubles = doors.ensure(&there, &everywhere.collect(), |vpc, _| {
            open(vpc, &dir.join(vpc))
        });
        if tries == SOON_AT_MOST {
            tracing::warn!(?troubles, "VPCs cannot be served yet");
        }
        let retry = match (troubles.is_empty(), tries) {
            (true, _) => None,
            (false, ..SOON_AT_MOST) => Some(SOON),
            (false, _) => Some(LATER),
        };
        tokio::select! {
            () = names.changed() => tries = 0,
            () = after(retry) => tries += 1,
        }
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// What is open, by VPC, with the namespace and the address it was opened for.
struct Doors<D>(BTreeMap<String, (Identity, Ipv4Addr, D)>);

impl<D> Doors<D> {
    /// Closes what should not be open and opens what should. Tells what could not be.
    fn ensure(
        &mut self,
        there: &BTreeMap<String, Identity>,
        want: &Wanted,
        open: impl Fn(&str, Ipv4Addr) -> io::Result<D>,
    ) -> Vec<String> {
        self.0.retain(|vpc, (identity, address, _)| {
            there.get(vpc) == Some(identity) && want.get(vpc) == Some(address)
        });
        let mut troubles = Vec::new();
        for (vpc, address) in want {
            let Some(identity) = there.get(vpc).filter(|_| !self.0.contains_key(vpc)) else {
                continue;
            };
            match open(vpc, *address) {
                Ok(door) => {
                    self.0.insert(vpc.clone(), (*identity, *address, door));
                }
                Err(error) => troubles.push(format!("{vpc}: {error}")),
            }
        }
        troubles
    }
}

/// UDP and TCP sockets on these addresses in the namespace.
///
/// # Errors
/// It cannot be entered, has no such addresses yet, or somebody else has such a socket.
pub fn sockets(
    namespace: &Path,
    addresses: &[Ipv4Addr],
    port: u16,
) -> io::Result<(Vec<UdpSocket>, Vec<TcpListener>)> {
    inside(namespace, || {
        let at = |address: &Ipv4Addr| SocketAddrV4::new(*address, port);
        let udp = addresses
            .iter()
            .map(|a| udp(at(a)))
            .collect::<io::Result<_>>()?;
        let tcp = addresses
            .iter()
            .map(|a| tcp(at(a)))
            .collect::<io::Result<_>>()?;
        Ok((udp, tcp))
    })
}

/// TCP listeners on these addresses in the namespace.
///
/// # Errors
/// As for [`sockets`].
pub fn listeners(
    namespace: &Path,
    addresses: &[Ipv4Addr],
    port: u16,
) -> io::Result<Vec<TcpListener>> {
    inside(namespace, || {
        let at = |address: &Ipv4Addr| SocketAddrV4::new(*address, port);
        addresses.iter().map(|address| tcp(at(address))).collect()
    })
}

/// Does work on a thread that is in the namespace and ends with the work.
fn inside<T: Send>(namespace: &Path, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let handle = File::open(namespace)?;
    let inside = || {
        move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network))?;
        has_addresses()?;
        work()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("netns".into())
            .stack_size(256 * 1024)
            .spawn_scoped(scope, inside)?;
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("a thread ended too soon")))
    })
}

fn udp(at: SocketAddrV4) -> io::Result<UdpSocket> {
    Ok(bound(SocketType::DGRAM, at)?.into())
}

fn tcp(at: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = bound(SocketType::STREAM, at)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Is this namespace past the moment in which it has no address at all? Then the kernel takes every
/// address for one of broadcasts: sockets can be bound to it, and send from any other.
pub(crate) fn has_addresses() -> io::Result<()> {
    match UdpSocket::bind((NOBODYS, 0)) {
        Ok(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(()),
        Err(error) => Err(error),
    }
}

fn bound(kind: SocketType, at: SocketAddrV4) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, kind, flags, None)?;
    if kind == SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &at)?;
    Ok(socket)
}

/// The names under a directory, which may come later.
#[derive(Debug)]
struct Names {
    dir: PathBuf,
    /// Of inotify(7), which is read as a pipe is.
    events: Option<Receiver>,
}

impl Names {
    fn of(dir: &Path) -> Names {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        let events = events
            .map_err(io::Error::from)
            .and_then(Receiver::from_owned_fd_unchecked);
        Names {
            dir: dir.to_owned(),
            events: events
                .inspect_err(|error| tracing::warn!(%error, "VPCs are looked for every second"))
                .ok(),
        }
    }

    /// What is there now; from here on [`Names::changed`] sees what changes.
    fn look(&mut self) -> BTreeMap<String, Identity> {
        if let Some(events) = &self.events {
            let flags = WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MOVE
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF;
            // Where there is no directory yet, time goes by instead.
            let _ = inotify::add_watch(events, &self.dir, flags);
        }
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let identity = fs::metadata(entry.path()).ok()?;
            let name = entry.file_name().into_string().ok()?;
            Some((name, (identity.dev(), identity.ino())))
        });
        named.collect()
    }

    async fn changed(&mut self) {
        let Some(events) = &self.events else {
            return tokio::time::sleep(LATER).await;
        };
        if !self.dir.exists() {
            return tokio::time::sleep(SOON * 20).await;
        }
        if events.readable().await.is_err() {
            return tokio::time::sleep(LATER).await;
        }
        let mut buffer = [0; 4096];
        while events.try_read(&mut buffer).is_ok_and(|n| n > 0) {}
    }
}
