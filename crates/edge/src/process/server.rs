//! The process that holds the sockets.

use super::told::{Hello, State, Told};
use crate::dns::names::{AwsHosts, Interfaces, LoadBalancerNames, Localhost, Reverse, SharedTable};
use crate::dns::{Door, Forwarder, Resolver, Sockets, Upstream};
use crate::load_balancer::{LoadBalancerState, LoadBalancerStates, LoadBalancers};
use crate::place::{self, LINK_LOCAL_RESOLVER, Opened, Wanted};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use neargate_base::Rng;
use neargate_base::task::spawn;
use neargate_domain::load_balancer::LoadBalancerChange;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

const PORT: u16 = 53;

/// Holds the sockets in the VPCs' namespaces until it is not needed any more; answers the process's
/// exit code. Its arguments are the word it says of itself, the directory of the namespaces, the host's
/// resolv.conf and what the paths of interfaces' namespaces begin with (empty: load balancers are in this one); its
/// standard input is the socket where it is told things.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let done = match &arguments[..] {
        [word, namespaces, resolv_conf, interfaces] => {
            let word = word.to_string_lossy().into_owned();
            let interfaces = (!interfaces.is_empty()).then(|| interfaces.into());
            run(word, namespaces.into(), resolv_conf.into(), interfaces)
        }
        _ => Err(io::Error::other(
            "a word, a directory, a file and a directory are missing",
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

fn run(
    word: String,
    namespaces: PathBuf,
    resolv_conf: PathBuf,
    interfaces: Option<PathBuf>,
) -> io::Result<()> {
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
        let edge = Edge::start(word, namespaces, resolv_conf, interfaces);
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
}

impl Edge {
    fn start(
        word: String,
        namespaces: PathBuf,
        resolv_conf: PathBuf,
        interfaces: Option<PathBuf>,
    ) -> Edge {
        let table = SharedTable::default();
        let rng = Arc::new(Rng::from_entropy());
        let load_balancers = LoadBalancers::new(interfaces, Arc::clone(&rng));
        let balancer_names = LoadBalancerNames::default();
        let forwarder = Forwarder::new(Upstream::of(resolv_conf), rng);
        let resolver = Arc::new(Resolver::new(
            vec![
                Box::new(Localhost),
                Box::new(Interfaces(Arc::clone(&table))),
                Box::new(Reverse(Arc::clone(&table))),
                Box::new(balancer_names.clone()),
                Box::new(AwsHosts(Arc::clone(&table))),
            ],
            forwarder,
        ));
        let (wanted, want) = watch::channel(Wanted::new());
        let (open, opened) = watch::channel(Opened {
            any_namespace: true,
            ..Opened::default()
        });
        let door = move |vpc: &str, namespace: &std::path::Path, address| {
            let addresses = [address, LINK_LOCAL_RESOLVER];
            let (udp, tcp) = place::sockets(namespace, &addresses, PORT)?;
            Door::open(&resolver, vpc, Sockets { udp, tcp })
        };
        spawn("doors", place::keep_open(namespaces, want, open, door));
        Edge {
            word,
            table,
            wanted,
            opened,
            load_balancers,
            balancer_names,
        }
    }

    /// Until another takes its place, or nobody needs it.
    async fn serve(self, listener: UnixListener) {
        let mut tellers = FuturesUnordered::new();
        let mut opened = self.opened.clone();
        let mut was_told = false;
        loop {
            let there = opened.borrow_and_update().any_namespace;
            if was_told && tellers.is_empty() && !there {
                return;
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
            }
        }
    }

    /// What one Neargate says, until it goes.
    async fn hear(&self, stream: UnixStream) -> io::Result<Heard> {
        let (read, mut write) = stream.into_split();
        let hello = Hello {
            started_as: self.word.clone(),
        };
        write.write_all(&line(&hello)?).await?;
        let mut opened = self.opened.clone();
        opened.mark_changed();
        let mut balancers = self.load_balancers.states();
        let mut said = None;
        let state = |opened: &mut watch::Receiver<Opened>, load_balancers| {
            let now = opened.borrow_and_update().clone();
            line(&State {
                vpcs: now.vpcs,
                troubles: now.troubles,
                load_balancers,
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
                            let line = state(&mut opened, BTreeMap::new())?;
                            write.write_all(&line).await?;
                        }
                        Told::LoadBalancers { change, known } => {
                            // From here on this teller is told how all of them are.
                            if matches!(change, LoadBalancerChange::Snapshot(_)) && said.is_none() {
                                said = Some(LoadBalancerStates::new());
                            }
                            self.balancer_names.apply(&change);
                            self.load_balancers.tell(change, known);
                            balancers.mark_changed();
                        }
                        told => self.take_in(told),
                    }
                }
                Ok(()) = opened.changed() => {
                    write.write_all(&state(&mut opened, BTreeMap::new())?).await?;
                }
                Ok(()) = balancers.changed(), if said.is_some() => {
                    let now = balancers.borrow_and_update().clone();
                    let news = news(said.as_ref().unwrap_or(&now), &now);
                    said = Some(now);
                    if !news.is_empty() {
                        write.write_all(&state(&mut opened, news)?).await?;
                    }
                }
            }
        }
    }

    fn take_in(&self, told: Told) {
        let mut table = self.table.write();
        match told {
            Told::AwsHosts(prefixes) => table.set_aws_hosts(prefixes),
            Told::Network(change) => table.apply(change),
            Told::LoadBalancers { .. } | Told::Speak | Told::End => {}
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
