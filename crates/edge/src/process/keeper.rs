//! The edge's process as Neargate sees it: found or started, told of everything, and started again
//! when it is gone.

use super::server::line;
use super::told::{Hello, State, Told, without_rules};
use crate::load_balancer::{Counted, LoadBalancerStates};
use neargate_base::backoff::Backoff;
use neargate_base::task::spawn;
use neargate_base::{Rng, time::Stopwatch};
use neargate_domain::dns::{Records, Zone, ZoneChange};
use neargate_domain::load_balancer::{LoadBalancer, LoadBalancerChange};
use neargate_domain::vpc_network::{InterfaceNetwork, NetworkChange, VpcNetwork};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, sleep, timeout};

/// The process as `ps` shows it, and the word that starts it.
const EDGE: [&str; 2] = ["neargate-edge", "edge"];
/// How long a process may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one that runs may take to say something, and how often it is asked to.
const PATIENCE_WITH_KNOWN: Duration = Duration::from_secs(2);
const AGAIN_FIRST: Duration = Duration::from_millis(20);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// What keeps its allocator small, see `node::runtime::zygote`.
const SMALL: [(&str, &str); 2] = [
    ("MIMALLOC_ALLOW_THP", "0"),
    ("MIMALLOC_ARENA_RESERVE", "64MiB"),
];

/// How the process is started.
#[derive(Debug, Clone)]
pub struct KeeperConfig {
    /// The program, which runs [`super::main`] when its first argument is `edge`.
    pub program: PathBuf,
    /// Where its socket and its number are kept, apart from everything else.
    pub dir: PathBuf,
    /// The VPCs' namespaces, each a file named by the VPC's id.
    pub namespaces: PathBuf,
    /// What the paths of load balancers' interfaces' namespaces begin with; the interface's id ends it;
    /// `None`: load balancers are in the process's own, at their nodes' private addresses.
    pub interfaces: Option<PathBuf>,
    /// Where logs of load balancers are written, if they are.
    pub logs: Option<PathBuf>,
    /// Names the servers that are asked for what is not known here.
    pub resolv_conf: PathBuf,
    /// Where names are answered for the host's own programs, if they are.
    pub listen: Option<SocketAddr>,
    /// Which of AWS's hosts lead to us.
    pub aws_hosts: BTreeSet<String>,
}

/// Keeps the process running and told. It goes on when this is dropped, as long as it is needed.
#[derive(Debug)]
pub struct Keeper {
    changes: mpsc::UnboundedSender<News>,
    answers: watch::Receiver<Vec<String>>,
    load_balancers: watch::Receiver<LoadBalancerStates>,
    counted: watch::Receiver<CountedTraffic>,
    task: Mutex<Option<JoinHandle<()>>>,
    config: KeeperConfig,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}

impl Keeper {
    pub fn start(config: KeeperConfig, rng: Arc<Rng>) -> Keeper {
        let (changes, news) = mpsc::unbounded_channel();
        let (tell, answers) = watch::channel(Vec::new());
        let (states, load_balancers) = watch::channel(LoadBalancerStates::new());
        let (count, counted) = watch::channel(CountedTraffic::default());
        let kept = Kept {
            word: word(&config),
            config: config.clone(),
            rng,
            news,
            all: All::default(),
            answers: tell,
            states,
            count,
            troubles: Vec::new(),
        };
        let task = spawn("edge", kept.keep());
        Keeper {
            changes,
            answers,
            load_balancers,
            counted,
            task: Mutex::new(Some(task)),
            config,
        }
    }

    /// Ends the process, too: nobody is left who asks for names.
    pub async fn end(&self) {
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
        end_process(&self.config).await;
        end_leaving(&self.config).await;
    }

    /// Something changed; the first thing to tell is a snapshot.
    pub fn tell(&self, change: NetworkChange) {
        // Fails after the end only.
        let _ = self.changes.send(News::Network(without_rules(change)));
    }

    /// Something changed of load balancers; the first thing to tell is a snapshot.
    pub fn tell_load_balancers(&self, change: LoadBalancerChange) {
        // Fails after the end only.
        let _ = self.changes.send(News::LoadBalancers(change));
    }

    /// Something changed of hosted zones; the first thing to tell is a snapshot.
    pub fn tell_zones(&self, change: ZoneChange) {
        // Fails after the end only.
        let _ = self.changes.send(News::Zones(change));
    }

    /// How the process finds the load balancers that it was told of. What one process found holds
    /// until the next has told of it.
    pub fn load_balancers(&self) -> watch::Receiver<LoadBalancerStates> {
        self.load_balancers.clone()
    }

    /// What the process counts of traffic, every few seconds.
    pub fn counted(&self) -> watch::Receiver<CountedTraffic> {
        self.counted.clone()
    }

    /// The VPCs in which the process answers.
    pub fn answers(&self) -> watch::Receiver<Vec<String>> {
        self.answers.clone()
    }
}

/// What a process counted since it began. Another process begins with zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountedTraffic {
    /// Another one for each process.
    pub process: u64,
    pub all: Vec<Counted>,
}

/// What is to be told.
#[derive(Debug, Clone)]
enum News {
    Network(NetworkChange),
    LoadBalancers(LoadBalancerChange),
    Zones(ZoneChange),
}

impl From<News> for Told {
    fn from(news: News) -> Told {
        match news {
            News::Network(change) => Told::Network(change),
            News::Zones(change) => Told::Zones(change),
            News::LoadBalancers(change) => Told::LoadBalancers {
                change,
                known: Vec::new(),
            },
        }
    }
}

struct Kept {
    config: KeeperConfig,
    word: String,
    rng: Arc<Rng>,
    news: mpsc::UnboundedReceiver<News>,
    all: All,
    answers: watch::Sender<Vec<String>>,
    states: watch::Sender<LoadBalancerStates>,
    count: watch::Sender<CountedTraffic>,
    troubles: Vec<String>,
}

type Connection = (Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf);

impl Kept {
    async fn keep(mut self) {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        loop {
            let running = Stopwatch::start();
            let end = match self.connection().await {
                Ok(connection) => self.talk(connection).await,
                Err(error) => Err(error),
            };
            self.answers.send_replace(Vec::new());
            match end {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "VPCs have no resolver: it is started again");
                }
            }
            if running.elapsed() > AGAIN_MAX {
                backoff.reset();
            }
            sleep(backoff.next_delay(&self.rng)).await;
        }
    }

    /// Tells everything, and then what changes. `Ok`: nothing will change any more.
    async fn talk(&mut self, (mut says, mut tell): Connection) -> io::Result<()> {
        self.count.send_modify(|count| {
            count.process += 1;
            count.all.clear();
        });
        let hosts = Told::AwsHosts(self.config.aws_hosts.clone());
        say(&mut tell, &hosts).await?;
        if !self.all.is_told() {
            // Before it is known what there is, it goes on with what an earlier Neargate said.
            let Some(first) = self.news.recv().await else {
                return Ok(());
            };
            self.all.take_in(first);
        }
        while let Ok(change) = self.news.try_recv() {
            self.all.take_in(change);
        }
        if self.all.load_balancers_are_told {
            let is_known = |arn: &String| self.all.load_balancers.contains_key(arn);
            self.states
                .send_modify(|states| states.retain(|arn, _| is_known(arn)));
        }
        let states = self.states.borrow().clone();
        for told in self.all.snapshots(&states) {
            say(&mut tell, &told).await?;
        }
        let mut look = tokio::time::interval(PATIENCE_WITH_KNOWN);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_silent = false;
        loop {
            tokio::select! {
                change = self.news.recv() => {
                    let Some(change) = change else {
                        return Ok(());
                    };
                    // What comes before the first snapshot is in it.
                    if self.all.take_in(change.clone()) {
                        say(&mut tell, &change.into()).await?;
                    }
                }
                _ = look.tick() => {
                    if is_silent {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "its process hangs"));
                    }
                    is_silent = true;
                    say(&mut tell, &Told::Speak).await?;
                }
                said = says.next_line() => {
                    is_silent = false;
                    let gone = || io::Error::new(io::ErrorKind::UnexpectedEof, "its process ended");
                    self.note(serde_json::from_str(&said?.ok_or_else(gone)?)?);
                }
            }
        }
    }

    fn note(&mut self, state: State) {
        for trouble in &state.troubles {
            // Between the name of a namespace and the namespace is a moment: the first trouble is none.
            if self.troubles.contains(trouble) {
                tracing::warn!(trouble, "a VPC has no resolver yet");
            }
        }
        self.troubles = state.troubles;
        if !state.load_balancers.is_empty() {
            self.states.send_modify(|states| {
                for (arn, state) in state.load_balancers {
                    match state {
                        Some(state) => states.insert(arn, state),
                        None => states.remove(&arn),
                    };
                }
            });
        }
        if !state.counted.is_empty() {
            self.count.send_modify(|count| {
                for new in state.counted {
                    let mut all = count.all.iter_mut();
                    match all.find(|one| one.is_of_same(&new)) {
                        Some(one) => *one = new,
                        None => count.all.push(new),
                    }
                }
            });
        }
        self.answers.send_replace(state.vpcs);
    }

    /// To the process that is there, if it is the right one, or to a new one.
    async fn connection(&self) -> io::Result<Connection> {
        if let Ok(stream) = UnixStream::connect(socket(&self.config)).await {
            match hello(stream, PATIENCE_WITH_KNOWN).await {
                Ok((hello, connection)) if hello.started_as == self.word => return Ok(connection),
                Ok((Hello { pid: Some(pid), .. }, _)) => {
                    tracing::info!("the edge's process is another build's: it hands over");
                    make_room(&self.config, pid)?;
                }
                Ok(_) => {
                    tracing::info!("the resolver's process is another version's: it is replaced");
                }
                Err(error) => {
                    tracing::warn!(%error, "the resolver's process says nothing: it is replaced");
                }
            }
        }
        end_process(&self.config).await;
        let (_, connection) = hello(self.start().await?, PATIENCE).await?;
        Ok(connection)
    }

    async fn start(&self) -> io::Result<UnixStream> {
        let mut dir = fs::DirBuilder::new();
        dir.recursive(true).mode(0o700).create(&self.config.dir)?;
        let _ = fs::remove_file(socket(&self.config));
        let listener = UnixListener::bind(socket(&self.config))?;
        let mut command = tokio::process::Command::new(&self.config.program);
        let process = command
            .arg0(EDGE[0])
            .arg(EDGE[1])
            .arg(&self.word)
            .args([&self.config.namespaces, &self.config.resolv_conf])
            .arg(self.config.interfaces.clone().unwrap_or_default())
            .arg(leaving(&self.config))
            .arg(self.config.logs.clone().unwrap_or_default())
            .arg(listen(&self.config))
            .env_clear()
            .envs(SMALL)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        drop(command);
        // The runtime takes note of its end.
        let pid = process.id().unwrap_or(0);
        fs::write(number(&self.config), pid.to_string())?;
        UnixStream::connect(socket(&self.config)).await
    }
}

/// Ends the process that is there, if one is: in peace, or because it hangs or cannot be reached.
/// Two would be in each other's way.
async fn end_process(config: &KeeperConfig) {
    let asked = async {
        let stream = UnixStream::connect(socket(config)).await?;
        let (_, (mut says, mut tell)) = hello(stream, PATIENCE_WITH_KNOWN).await?;
        tell.write_all(&line(&Told::End)?).await?;
        while says.next_line().await?.is_some() {}
        io::Result::Ok(())
    };
    // What comes of it shows below.
    let _ = timeout(PATIENCE_WITH_KNOWN, asked).await;
    let pid = fs::read_to_string(number(config)).unwrap_or_default();
    kill(pid.trim().parse().ok(), &config.namespaces).await;
}

/// Kills this process, if it is an edge with `word` in its command line, and waits for its end.
pub(super) async fn kill(pid: Option<i32>, word: &Path) {
    let Some(pid) = pid.and_then(Pid::from_raw) else {
        return;
    };
    let about = |what: &str| fs::read(format!("/proc/{}/{what}", pid.as_raw_nonzero()));
    let is_edge = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == 0);
        let path = word.as_os_str().as_encoded_bytes();
        words.next() == Some(EDGE[0].as_bytes()) && words.any(|word| word == path)
    };
    // A process that is about to be gone has no command line any more, as one that waits for its
    // parent; the kernel tells them apart.
    let is_exiting = || {
        let state = about("stat").unwrap_or_default();
        !state.is_empty() && !state.windows(4).any(|state| state == b") Z ")
    };
    let since = Stopwatch::start();
    while let Ok(line) = about("cmdline")
        && since.elapsed() < PATIENCE
    {
        match (line.is_empty(), is_edge(&line)) {
            (_, true) => {
                let _ = kill_process(pid, Signal::KILL);
            }
            (true, false) if is_exiting() => {}
            _ => break,
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Moves the socket of a process to where the next one finds it. Its number is forgotten first: it is
/// not to be ended.
fn make_room(config: &KeeperConfig, pid: i32) -> io::Result<()> {
    let _ = fs::remove_file(number(config));
    let mut dir = fs::DirBuilder::new();
    dir.recursive(true).mode(0o700).create(leaving(config))?;
    fs::rename(socket(config), leaving(config).join(pid.to_string()))
}

/// Where the sockets of processes are that make room.
fn leaving(config: &KeeperConfig) -> PathBuf {
    config.dir.join("leaving")
}

/// Ends the processes that make room.
async fn end_leaving(config: &KeeperConfig) {
    let entries = fs::read_dir(leaving(config))
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        kill(pid, &config.namespaces).await;
        let _ = fs::remove_file(entry.path());
    }
}

fn socket(config: &KeeperConfig) -> PathBuf {
    config.dir.join("socket")
}

/// Where the process's number is kept.
fn number(config: &KeeperConfig) -> PathBuf {
    config.dir.join("pid")
}

/// A process that hangs takes nothing more at some point.
async fn say(tell: &mut OwnedWriteHalf, told: &Told) -> io::Result<()> {
    timeout(PATIENCE, tell.write_all(&line(told)?)).await?
}

async fn hello(stream: UnixStream, patience: Duration) -> io::Result<(Hello, Connection)> {
    let (read, write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let first = timeout(patience, lines.next_line()).await??;
    let gone = || io::Error::new(io::ErrorKind::UnexpectedEof, "its process ended at once");
    let hello = serde_json::from_str(&first.ok_or_else(gone)?)?;
    Ok((hello, (lines, write)))
}

/// The same for the same program, started in the same way.
fn word(config: &KeeperConfig) -> String {
    let program = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        let at = (file.mtime(), file.mtime_nsec());
        Some(format!("{}-{}-{}.{}", file.ino(), file.size(), at.0, at.1))
    };
    let program = program(&config.program).unwrap_or_default();
    let (names, listen) = (config.resolv_conf.display(), listen(config));
    format!("{program}-{names}-{listen}")
}

/// As the process is told; empty: nowhere.
fn listen(config: &KeeperConfig) -> String {
    let address = config.listen.map(|address| address.to_string());
    address.unwrap_or_default()
}

/// All that was told.
#[derive(Debug, Default)]
struct All {
    /// Which snapshots were told.
    network_is_told: bool,
    load_balancers_are_told: bool,
    zones_are_told: bool,
    vpcs: BTreeMap<String, VpcNetwork>,
    /// By VPC and interface.
    interfaces: BTreeMap<(String, String), InterfaceNetwork>,
    load_balancers: BTreeMap<String, LoadBalancer>,
    zones: BTreeMap<String, Zone>,
    /// By zone, name and type.
    records: BTreeMap<(String, String, String), Records>,
}

impl All {
    fn is_told(&self) -> bool {
        self.network_is_told || self.load_balancers_are_told || self.zones_are_told
    }

    /// Is it anything new, and to be told by itself?
    fn take_in(&mut self, news: News) -> bool {
        match news {
            News::Network(change) => self.take_in_network(change),
            News::LoadBalancers(change) => self.take_in_load_balancers(change),
            News::Zones(change) => self.take_in_zones(change),
        }
    }

    fn take_in_zones(&mut self, change: ZoneChange) -> bool {
        let is_new = match change {
            ZoneChange::Snapshot { zones, records } => {
                self.zones_are_told = true;
                self.zones = zones.into_iter().map(|z| (z.id.clone(), z)).collect();
                self.records = records.into_iter().map(|r| (place(&r), r)).collect();
                true
            }
            ZoneChange::Zone(zone) => {
                let before = self.zones.insert(zone.id.clone(), zone.clone());
                before != Some(zone)
            }
            ZoneChange::ZoneGone(id) => {
                self.records.retain(|(of, ..), _| *of != id);
                self.zones.remove(&id).is_some()
            }
            ZoneChange::Records(records) if records.sets.is_empty() => {
                self.records.remove(&place(&records)).is_some()
            }
            ZoneChange::Records(records) => {
                let before = self.records.insert(place(&records), records.clone());
                before != Some(records)
            }
        };
        is_new && self.zones_are_told
    }

    fn take_in_load_balancers(&mut self, change: LoadBalancerChange) -> bool {
        let is_new = match change {
            LoadBalancerChange::Snapshot(all) => {
                self.load_balancers_are_told = true;
                self.load_balancers = all.into_iter().map(|lb| (lb.arn.clone(), lb)).collect();
                true
            }
            LoadBalancerChange::LoadBalancer(lb) => {
                let before = self.load_balancers.insert(lb.arn.clone(), (*lb).clone());
                before.as_ref() != Some(&*lb)
            }
            LoadBalancerChange::Gone(arn) => self.load_balancers.remove(&arn).is_some(),
        };
        is_new && self.load_balancers_are_told
    }

    fn take_in_network(&mut self, change: NetworkChange) -> bool {
        self.network_is_told = true;
        match change {
            NetworkChange::Snapshot { vpcs, interfaces } => {
                let by_id = |vpc: VpcNetwork| (vpc.vpc_id.clone(), vpc);
                self.vpcs = vpcs.into_iter().map(by_id).collect();
                self.interfaces = interfaces.into_iter().map(|i| (key(&i), i)).collect();
                true
            }
            NetworkChange::Vpc(vpc) => {
                let before = self.vpcs.insert(vpc.vpc_id.clone(), vpc.clone());
                before.as_ref() != Some(&vpc)
            }
            NetworkChange::VpcGone(id) => self.vpcs.remove(&id).is_some(),
            NetworkChange::Interface(interface) => {
                let before = self.interfaces.insert(key(&interface), interface.clone());
                before.as_ref() != Some(&interface)
            }
            NetworkChange::InterfaceGone {
                vpc_id,
                interface_id,
            } => self.interfaces.remove(&(vpc_id, interface_id)).is_some(),
        }
    }

    /// What a process is told first. It takes targets to be as the one before found them.
    fn snapshots(&self, states: &LoadBalancerStates) -> Vec<Told> {
        let network = self.network_is_told.then(|| Told::Network(self.snapshot()));
        let targets = states.values().flat_map(|state| &state.targets);
        let load_balancers = self.load_balancers_are_told.then(|| {
            let all = self.load_balancers.values().cloned().collect();
            Told::LoadBalancers {
                change: LoadBalancerChange::Snapshot(all),
                known: targets.cloned().collect(),
            }
        });
        let zones = self.zones_are_told.then(|| {
            Told::Zones(ZoneChange::Snapshot {
                zones: self.zones.values().cloned().collect(),
                records: self.records.values().cloned().collect(),
            })
        });
        let all = network.into_iter().chain(load_balancers).chain(zones);
        all.collect()
    }

    fn snapshot(&self) -> NetworkChange {
        NetworkChange::Snapshot {
            vpcs: self.vpcs.values().cloned().collect(),
            interfaces: self.interfaces.values().cloned().collect(),
        }
    }
}

fn place(records: &Records) -> (String, String, String) {
    let Records {
        zone_id,
        name,
        record_type,
        ..
    } = records;
    (zone_id.clone(), name.clone(), record_type.clone())
}

fn key(interface: &InterfaceNetwork) -> (String, String) {
    (interface.vpc_id.clone(), interface.interface_id.clone())
}
