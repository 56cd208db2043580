//! The process that holds the sockets.

use super::before::Before;
use super::resolver::ResolverDoors;
use super::sockets;
use super::told::{Hello, Sockets, State, Told};
use crate::dns::names::{
    AwsHosts, HostedZones, Interfaces, LoadBalancerNames, Localhost, Reverse, SharedTable,
};
use crate::dns::{Forwarder, Resolver, Upstream};
use crate::load_balancer::{
    Counted, HandedSockets, LoadBalancerState, LoadBalancerStates, LoadBalancers,
};
use crate::place::{self, Opened, Wanted};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use neargate_base::Rng;
use neargate_base::task::spawn;
use neargate_base::time::Stopwatch;
use neargate_domain::load_balancer::{LoadBalancerChange, TargetHealth};
use neargate_domain::vpc_network::NetworkChange;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long one whose sockets another has may go on with what it carries, and how often it looks.
const LEAVING_AT_MOST: Duration = Duration::from_secs(3600);
const LOOK: Duration = Duration::from_millis(100);

/// Holds the sockets in the VPCs' namespaces until it is not needed any more; answers the process's
/// exit code. Its arguments are the word it says of itself, the directory of the namespaces, the host's
/// resolv.conf, what the paths of interfaces' namespaces begin with (empty: load balancers are in this
/// one), the directory where processes before it are found, that of load balancers' logs (empty: none
/// are written), and where it answers the host's own programs (empty: nowhere); its standard input is the socket where it is told things.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let done = match &arguments[..] {
        [
            word,
            namespaces,
            resolv_conf,
            interfaces,
            leaving,
            logs,
            listen,
        ] => run(Arguments {
            word: word.to_string_lossy().into_owned(),
            namespaces: namespaces.into(),
            resolv_conf: resolv_conf.into(),
            interfaces: (!interfaces.is_empty()).then(|| interfaces.into()),
            leaving: leaving.into(),
            logs: (!logs.is_empty()).then(|| logs.into()),
            listen: listen.to_str().and_then(|address| address.parse().ok()),
        }),
        _ => Err(io::Error::other(
            "a word, a directory, a file, three directories and an address are missing",
        )),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("edge: {error}; it is started by Neargate, not by hand");
            1
        }
    }
}

struct Arguments {
    word: String,
    namespaces: PathBuf,
    resolv_conf: PathBuf,
    interfaces: Option<PathBuf>,
    leaving: PathBuf,
    logs: Option<PathBuf>,
    listen: Option<SocketAddr>,
}

fn run(arguments: Arguments) -> io::Result<()> {
    let listener = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let listener = StdListener::from(listener);
    listener.set_nonblocking(true)?;
    // Fails for a session leader, which is as good.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")?;
    let _ = rustix::thread::set_name(c"neargate-edge");
    let most = getrlimit(Resource::Nofile).maximum;
    let files = Rlimit {
        current: most,
        maximum: most,
    };
    let _ = setrlimit(Resource::Nofile, files);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // The terminal's signals and a service manager's are for the one that started it.
        let ignored = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let _ignored = ignored.map(signal);
        let listener = UnixListener::from_std(listener)?;
        let before = Before::find(&arguments.leaving, &arguments.namespaces).await;
        let edge = Edge::start(arguments, before);
        edge.serve(listener).await;
        Ok(())
    })
}

struct Edge {
    word: String,
    table: SharedTable,
    wanted: watch::Sender<Wanted>,
    opened: watch::Receiver<Opened>,
    load_balancers: LoadBalancers,
    balancer_names: LoadBalancerNames,
    hosted_zones: HostedZones,
    resolver: Arc<ResolverDoors>,
    before: Before,
    /// Another process is to answer the host's own programs.
    host_left: CancellationToken,
    /// Another process has the resolver's sockets, and load balancers'.
    resolver_left: Cell<bool>,
    load_balancers_left: Cell<bool>,
    /// One of the two changed.
    left: Notify,
}

impl Edge {
    fn start(arguments: Arguments, before: Before) -> Edge {
        let Arguments {
            word,
            namespaces,
            resolv_conf,
            interfaces,
            logs,
            listen,
            ..
        } = arguments;
        let table = SharedTable::default();
        let rng = Arc::new(Rng::from_entropy());
        let load_balancers = LoadBalancers::new(interfaces, logs, Arc::clone(&rng));
        let balancer_names = LoadBalancerNames::default();
        let hosted_zones =
            HostedZones::new(balancer_names.clone(), Arc::clone(&table), Arc::clone(&rng));
        let forwarder = Forwarder::new(Upstream::of(resolv_conf), rng);
        before.tell_health(load_balancers.states());
        let resolver = Arc::new(ResolverDoors::new(Resolver::new(
            vec![
                Box::new(Localhost),
                Box::new(hosted_zones.clone()),
                Box::new(Interfaces(Arc::clone(&table))),
                Box::new(Reverse(Arc::clone(&table))),
                Box::new(balancer_names.clone()),
                Box::new(AwsHosts(Arc::clone(&table))),
            ],
            forwarder,
        )));
        let host_left = CancellationToken::new();
        if let Some(address) = listen {
            let doors = Arc::clone(&resolver);
            spawn("host-names", doors.answer_host(address, host_left.clone()));
        }
        let (wanted, want) = watch::channel(Wanted::new());
        let (open, opened) = watch::channel(Opened {
            any_namespace: true,
            ..Opened::default()
        });
        let doors = Arc::clone(&resolver);
        let door = move |vpc: &str, namespace: &std::path::Path, address| {
            doors.open(vpc, namespace, address)
        };
        spawn("doors", place::keep_open(namespaces, want, open, door));
        Edge {
            word,
            table,
            wanted,
            opened,
            load_balancers,
            balancer_names,
            hosted_zones,
            resolver,
            before,
            host_left,
            resolver_left: Cell::new(false),
            load_balancers_left: Cell::new(false),
            left: Notify::new(),
        }
    }

    /// Until another takes its place, or nobody needs it.
    async fn serve(self, listener: UnixListener) {
        let mut tellers = FuturesUnordered::new();
        let mut opened = self.opened.clone();
        let mut was_told = false;
        let mut leaving = None;
        loop {
            let there = opened.borrow_and_update().any_namespace;
            if was_told && tellers.is_empty() && !there {
                return;
            }
            if self.has_nothing_left() {
                let since = *leaving.get_or_insert_with(Stopwatch::start);
                let is_done = self.load_balancers.connections() == 0 && self.resolver.have_left();
                if is_done || since.elapsed() > LEAVING_AT_MOST {
                    return;
                }
            }
            tokio::select! {
                Ok((stream, _)) = listener.accept() => {
                    was_told = true;
                    tellers.push(self.hear(stream));
                }
                Some(end) = tellers.next() => {
                    if matches!(end, Ok(Heard::End)) {
                        return;
                    }
                }
                _ = opened.changed() => {}
                () = self.left.notified() => {}
                () = sleep(LOOK), if self.has_nothing_left() => {}
            }
        }
    }

    /// Nothing but what it carries already.
    fn has_nothing_left(&self) -> bool {
        let no_load_balancers = self.load_balancers_left.get() || self.load_balancers.are_none();
        self.resolver_left.get() && no_load_balancers
    }

    /// What one Neargate says, until it goes.
    async fn hear(&self, stream: UnixStream) -> io::Result<Heard> {
        let (read, mut write) = stream.into_split();
        let hello = Hello {
            started_as: self.word.clone(),
            pid: i32::try_from(std::process::id()).ok(),
        };
        write.write_all(&line(&hello)?).await?;
        let mut opened = self.opened.clone();
        opened.mark_changed();
        let mut balancers = self.load_balancers.states();
        let mut said = None;
        let mut offered = None;
        let mut counted = Vec::new();
        let state = |opened: &mut watch::Receiver<Opened>, load_balancers, counted| {
            let now = opened.borrow_and_update().clone();
            line(&State {
                vpcs: now.vpcs,
                troubles: now.troubles,
                load_balancers,
                counted,
            })
        };
        let mut lines = BufReader::new(read).lines();
        loop {
            tokio::select! {
                told = lines.next_line() => {
                    let Some(told) = told? else {
                        return Ok(Heard::Gone);
                    };
                    match serde_json::from_str(&told)? {
                        Told::End => return Ok(Heard::End),
                        Told::Speak => {
                            // What was not counted since the last time is not said again.
                            let now = self.load_balancers.counted();
                            let is_new = |one: &&Counted| !counted.contains(*one);
                            let new = now.iter().filter(is_new).cloned().collect();
                            counted = now;
                            let line = state(&mut opened, BTreeMap::new(), new)?;
                            write.write_all(&line).await?;
                        }
                        Told::Offer(which) => {
                            let offer = self.offer(which);
                            let (sockets, health) = offered.insert(offer).sockets().await?;
                            sockets::send(write.as_ref(), sockets, health).await?;
                        }
                        Told::Taken => {
                            if let Some(offer) = offered.take() {
                                offer.taken();
                            }
                        }
                        Told::LoadBalancers { change, mut known } => {
                            // From here on this teller is told how all of them are.
                            if matches!(change, LoadBalancerChange::Snapshot(_)) && said.is_none() {
                                said = Some(LoadBalancerStates::new());
                                let (taken, found) = self.before.load_balancers().await;
                                self.load_balancers.take(taken)?;
                                // What it found last is what holds.
                                known.splice(0..0, found);
                            }
                            self.before.tell(&told);
                            self.balancer_names.apply(&change);
                            self.load_balancers.tell(change, known);
                            balancers.mark_changed();
                        }
                        told => {
                            if matches!(told, Told::Network(NetworkChange::Snapshot { .. })) {
                                let taken = self.before.resolver().await;
                                self.resolver.take(taken);
                            }
                            self.take_in(told);
                        }
                    }
                }
                Ok(()) = opened.changed() => {
                    write.write_all(&state(&mut opened, BTreeMap::new(), Vec::new())?).await?;
                }
                Ok(()) = balancers.changed(), if said.is_some() => {
                    let now = balancers.borrow_and_update().clone();
                    let news = news(said.as_ref().unwrap_or(&now), &now);
                    said = Some(now);
                    if !news.is_empty() {
                        write.write_all(&state(&mut opened, news, Vec::new())?).await?;
                    }
                }
            }
        }
    }

    /// Offers sockets to another process, until that has taken them or this is dropped.
    fn offer(&self, which: Sockets) -> Offer<'_> {
        Offer {
            edge: self,
            which,
            is_taken: false,
        }
    }

    fn take_in(&self, told: Told) {
        let told = match told {
            Told::Health(found) => return self.load_balancers.set_health(found),
            Told::Zones(change) => return self.hosted_zones.apply(change),
            told => told,
        };
        let mut table = self.table.write();
        match told {
            Told::AwsHosts(prefixes) => table.set_aws_hosts(prefixes),
            Told::Network(change) => table.apply(change),
            Told::Zones(_)
            | Told::LoadBalancers { .. }
            | Told::Health(_)
            | Told::Offer(_)
            | Told::Taken
            | Told::Speak
            | Told::End => {}
        }
        if self.resolver_left.get() {
            return;
        }
        let with_resolver = table.vpcs().filter(|(_, vpc)| vpc.dns_support);
        let wanted: Wanted = with_resolver
            .map(|(id, vpc)| (id.clone(), vpc.resolver))
            .collect();
        drop(table);
        self.wanted.send_if_modified(|before| {
            let is_new = *before != wanted;
            *before = wanted;
            is_new
        });
    }
}

/// Sockets that another process is about to take.
struct Offer<'a> {
    edge: &'a Edge,
    which: Sockets,
    is_taken: bool,
}

impl Offer<'_> {
    async fn sockets(&self) -> io::Result<(HandedSockets, Vec<TargetHealth>)> {
        let load_balancers = &self.edge.load_balancers;
        Ok(match self.which {
            Sockets::Resolver => (self.edge.resolver.offer()?, Vec::new()),
            Sockets::LoadBalancers => {
                let sockets = load_balancers.offer().await;
                let states = load_balancers.states();
                let states = states.borrow();
                let found = states.values().flat_map(|state| state.targets.clone());
                (sockets, found.collect())
            }
        })
    }

    fn taken(mut self) {
        self.is_taken = true;
        match self.which {
            Sockets::Resolver => {
                self.edge.resolver_left.set(true);
                self.edge.host_left.cancel();
                self.edge.wanted.send_replace(Wanted::new());
            }
            Sockets::LoadBalancers => {
                self.edge.load_balancers_left.set(true);
                self.edge.load_balancers.leave();
            }
        }
        self.edge.left.notify_one();
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        match self.which {
            _ if self.is_taken => {}
            Sockets::Resolver if !self.edge.resolver_left.get() => self.edge.resolver.resume(),
            Sockets::LoadBalancers if !self.edge.load_balancers_left.get() => {
                self.edge.load_balancers.resume();
            }
            Sockets::Resolver | Sockets::LoadBalancers => {}
        }
    }
}

/// What changed between two states of load balancers.
fn news(
    before: &LoadBalancerStates,
    now: &LoadBalancerStates,
) -> BTreeMap<String, Option<Arc<LoadBalancerState>>> {
    let gone = before.keys().filter(|arn| !now.contains_key(*arn));
    let gone = gone.map(|arn| (arn.clone(), None));
    let is_new =
        |(arn, state): &(&String, &Arc<LoadBalancerState>)| before.get(*arn) != Some(state);
    let new = now.iter().filter(is_new);
    let new = new.map(|(arn, state)| (arn.clone(), Some(Arc::clone(state))));
    gone.chain(new).collect()
}

/// Why somebody says nothing more.
enum Heard {
    Gone,
    End,
}

pub(super) fn line(said: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    Ok(line)
}
