//! The edge's process, started by a keeper as Neargate starts it, and asked from within namespaces.
//! Needs root and the network tools (`ip`, `nsenter`), and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test without a harness")]

use neargate_base::Rng;
use neargate_domain::load_balancer::*;
use neargate_domain::vpc_network::{InterfaceNetwork, NetworkChange, VpcDns, VpcNetwork};
use neargate_edge::load_balancer::LoadBalancerStates;
use neargate_edge::process::{self, Keeper, KeeperConfig};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("edge".as_ref()) {
        std::process::exit(process::main(arguments));
    }
    if first.as_deref() == Some("--list".as_ref()) {
        println!("process: test");
        return;
    }
    if let Some("ask") = first.as_deref().and_then(|a| a.to_str()) {
        ask_here(&arguments.next().unwrap().into_string().unwrap());
        return;
    }
    if let Some(does @ ("serve" | "get" | "hammer")) = first.as_deref().and_then(|a| a.to_str()) {
        let at = arguments.next().unwrap().into_string().unwrap();
        return match does {
            "serve" => serve_here(&at),
            "hammer" => hammer_here(&at),
            _ => get_here(&at),
        };
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: it makes network namespaces, which needs root");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(life());
    println!("ok");
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Lab {
    dir: tempfile::TempDir,
    config: KeeperConfig,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for vpc in ["vpc-a", "vpc-b"] {
            self.remove(vpc);
        }
        for name in ["eni-lb", "eni-task"] {
            self.remove_interface(name);
        }
        let pids = self.pid().into_iter().chain(self.leaving());
        for pid in pids.filter(|_| std::thread::panicking()) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

impl Lab {
    fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let config = KeeperConfig {
            program: std::env::current_exe().unwrap(),
            dir: dir.path().join("edge"),
            namespaces: dir.path().join("vpc"),
            interfaces: Some(dir.path().join("interface/")),
            logs: Some(dir.path().join("logs")),
            resolv_conf: dir.path().join("resolv.conf"),
            listen: None,
            aws_hosts: ["ecs".to_owned()].into(),
        };
        Lab { dir, config }
    }

    fn keeper(&self) -> Keeper {
        Keeper::start(self.config.clone(), Arc::new(Rng::seeded(1)))
    }

    fn namespace(&self, vpc: &str) -> PathBuf {
        self.dir.path().join("vpc").join(vpc)
    }

    /// As the data plane makes one: the name, then the namespace, then its addresses.
    fn make(&self, vpc: &str) {
        std::fs::create_dir_all(self.dir.path().join("vpc")).unwrap();
        let path = self.namespace(vpc);
        std::fs::write(&path, "").unwrap();
        run(Command::new("unshare")
            .arg(format!("--net={}", path.display()))
            .arg("true"));
        let up = "ip link set lo up; ip addr add 10.0.0.2/32 dev lo; ip addr add \
                  169.254.169.253/32 dev lo";
        run(inside(&path).args(["sh", "-c", up]));
    }

    fn remove(&self, vpc: &str) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.namespace(vpc))
            .output();
        let _ = std::fs::remove_file(self.namespace(vpc));
    }

    fn make_interface(&self, name: &str) {
        let dir = self.config.interfaces.as_ref().unwrap();
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join(name), "").unwrap();
        run(Command::new("unshare")
            .arg(format!("--net={}", dir.join(name).display()))
            .arg("true"));
    }

    fn remove_interface(&self, name: &str) {
        let path = self.config.interfaces.as_ref().unwrap().join(name);
        let _ = Command::new("umount").arg("-l").arg(&path).output();
        let _ = std::fs::remove_file(path);
    }

    /// A process inside, by which `ip` finds the namespace.
    fn hold(&self, name: &str) -> Ended {
        let path = self.config.interfaces.as_ref().unwrap().join(name);
        let held = inside(&path).args(["sleep", "1000"]).spawn().unwrap();
        Ended(held)
    }

    fn pid(&self) -> Option<i32> {
        let text = std::fs::read_to_string(self.config.dir.join("pid")).ok()?;
        text.parse().ok()
    }

    /// The processes that make room for another one.
    fn leaving(&self) -> Vec<i32> {
        let entries = std::fs::read_dir(self.config.dir.join("leaving"));
        let names = entries.into_iter().flatten().flatten();
        names
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// From now on it is another build that is started.
    fn build_anew(&mut self) {
        // An earlier build may still run, and what runs is not written to.
        let mut paths = (1..).map(|n| self.dir.path().join(format!("build-{n}")));
        let path = paths.find(|path| !path.exists()).expect("endless");
        std::fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
        self.config.program = path;
    }

    /// What `name` means in the VPC, asked from within.
    fn ask(&self, vpc: &str, name: &str) -> String {
        let asked = inside(&self.namespace(vpc))
            .arg(std::env::current_exe().unwrap())
            .args(["ask", name])
            .output()
            .unwrap();
        String::from_utf8(asked.stdout).unwrap()
    }
}

fn inside(namespace: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", namespace.display()));
    command
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Prints the address that both of the resolver's addresses give for a name.
fn ask_here(name: &str) {
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    let said = ["10.0.0.2:53", "169.254.169.253:53"].map(|server| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server).unwrap();
        socket.send(&query).unwrap();
        let mut answer = [0; 512];
        match socket.recv(&mut answer) {
            Ok(length) if answer[7] == 1 => {
                let last: [u8; 4] = answer[length - 4..length].try_into().unwrap();
                Ipv4Addr::from(last).to_string()
            }
            Ok(_) => format!("code {}", answer[3] & 0xf),
            Err(error) => error.kind().to_string(),
        }
    });
    assert_eq!(said[0], said[1]);
    print!("{}", said[0]);
}

fn vpc(id: &str) -> VpcNetwork {
    VpcNetwork {
        is_logged: false,
        vpc_id: id.into(),
        ranges: vec!["10.0.0.0/16".parse().unwrap()],
        is_default: false,
        default_group: String::new(),
        subnets: Vec::new(),
        peers: Default::default(),
        groups: Vec::new(),
        dns: VpcDns::default(),
    }
}

fn interface(vpc: &str, last: u8) -> InterfaceNetwork {
    InterfaceNetwork {
        interface_id: format!("eni-{vpc}-{last}"),
        vpc_id: vpc.into(),
        private_ipv4: [10, 0, 0, last].into(),
        security_groups: Vec::new(),
        public_ipv4: None,
        is_logged: false,
    }
}

fn snapshot() -> NetworkChange {
    NetworkChange::Snapshot {
        vpcs: vec![vpc("vpc-a"), vpc("vpc-b")],
        interfaces: vec![interface("vpc-a", 5), interface("vpc-b", 6)],
    }
}

async fn answers_in(keeper: &Keeper, vpcs: &[&str]) {
    let mut answers = keeper.answers();
    let wait = answers.wait_for(|now| now == vpcs);
    assert!(
        timeout(PATIENCE, wait).await.is_ok(),
        "it answers in {vpcs:?}"
    );
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

fn runs(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

async fn life() {
    let mut lab = Lab::new();
    let keeper = lab.keeper();
    keeper.tell(snapshot());
    // Nothing is there before the first interface of a VPC is.
    until("it is started", || lab.pid().is_some()).await;
    lab.make("vpc-a");
    answers_in(&keeper, &["vpc-a"]).await;
    let (own, others) = ("ip-10-0-0-5.ec2.internal", "ip-10-0-0-6.ec2.internal");
    assert_eq!(lab.ask("vpc-a", own), "10.0.0.5");
    assert_eq!(lab.ask("vpc-a", others), "code 3");
    assert_eq!(lab.ask("vpc-a", "ecs.us-east-1.amazonaws.com"), "10.0.0.2");
    assert_eq!(lab.ask("vpc-a", "example.com"), "code 2");
    keeper.tell(NetworkChange::Interface(interface("vpc-a", 9)));
    until("it hears of changes", || {
        lab.ask("vpc-a", "ip-10-0-0-9.ec2.internal") == "10.0.0.9"
    })
    .await;

    // Neargate goes; names stay.
    let pid = lab.pid().unwrap();
    drop(keeper);
    assert_eq!(lab.ask("vpc-a", own), "10.0.0.5");
    let keeper = lab.keeper();
    assert_eq!(lab.ask("vpc-a", own), "10.0.0.5");
    keeper.tell(snapshot());
    answers_in(&keeper, &["vpc-a"]).await;
    assert_eq!(lab.pid(), Some(pid), "it is found again");
    until("it hears that something is gone", || {
        lab.ask("vpc-a", "ip-10-0-0-9.ec2.internal") == "code 3"
    })
    .await;

    let held = load_balancer(&lab, &keeper).await;
    let keeper = upgrade(&mut lab, keeper).await;
    no_load_balancer(&lab, &keeper, held).await;

    // Two VPCs with one range know nothing of each other.
    lab.make("vpc-b");
    answers_in(&keeper, &["vpc-a", "vpc-b"]).await;
    assert_eq!(lab.ask("vpc-b", others), "10.0.0.6");
    assert_eq!(lab.ask("vpc-b", own), "code 3");
    let mut without = vpc("vpc-b");
    without.dns.support = false;
    keeper.tell(NetworkChange::Vpc(without));
    answers_in(&keeper, &["vpc-a"]).await;
    assert_eq!(lab.ask("vpc-b", others), "connection refused");
    keeper.tell(NetworkChange::Vpc(vpc("vpc-b")));
    answers_in(&keeper, &["vpc-a", "vpc-b"]).await;

    // Killed, it is back with all that was told.
    let pid = lab.pid().unwrap();
    run(Command::new("kill").args(["-9", &pid.to_string()]));
    until("another is started", || {
        lab.pid().is_some_and(|new| new != pid && runs(new))
    })
    .await;
    answers_in(&keeper, &["vpc-a", "vpc-b"]).await;
    assert_eq!(lab.ask("vpc-a", own), "10.0.0.5");

    // One of another version gives its place, and one that hangs.
    let pid = lab.pid().unwrap();
    drop(keeper);
    lab.config.resolv_conf = lab.dir.path().join("other.conf");
    let keeper = lab.keeper();
    keeper.tell(snapshot());
    answers_in(&keeper, &["vpc-a", "vpc-b"]).await;
    until("the other is gone", || !runs(pid)).await;
    let pid = lab.pid().unwrap();
    run(Command::new("kill").args(["-STOP", &pid.to_string()]));
    until("another is started", || lab.pid() != Some(pid)).await;
    answers_in(&keeper, &["vpc-a", "vpc-b"]).await;
    until("the hanging one is gone", || !runs(pid)).await;

    // A namespace that is gone is not kept alive, and can be made anew.
    lab.remove("vpc-b");
    answers_in(&keeper, &["vpc-a"]).await;
    lab.make("vpc-b");
    answers_in(&keeper, &["vpc-a", "vpc-b"]).await;
    assert_eq!(lab.ask("vpc-b", others), "10.0.0.6");

    // It ends when nobody is left: not before the last namespace, and not before Neargate.
    let pid = lab.pid().unwrap();
    println!("resident: {} kB", resident(pid));
    lab.remove("vpc-a");
    lab.remove("vpc-b");
    answers_in(&keeper, &[]).await;
    assert!(runs(pid));
    drop(keeper);
    until("it ends", || !runs(pid)).await;

    // At `neargate down` it is gone at once, whatever is left.
    let keeper = lab.keeper();
    keeper.tell(snapshot());
    lab.make("vpc-a");
    answers_in(&keeper, &["vpc-a"]).await;
    let pid = lab.pid().unwrap();
    keeper.end().await;
    assert!(!runs(pid));
}

/// A load balancer in the namespace of its interface, with a target in another one.
async fn load_balancer(lab: &Lab, keeper: &Keeper) -> Held {
    let interfaces = lab.config.interfaces.clone().unwrap();
    let link = "ip link add lb0 netns ONE type veth peer name task0 netns TWO".to_owned();
    for name in ["eni-lb", "eni-task"] {
        lab.make_interface(name);
    }
    let pids = ["eni-lb", "eni-task"].map(|name| lab.hold(name));
    for (name, held) in ["eni-lb", "eni-task"].iter().zip(&pids) {
        // Until it has entered, `ip` would find the namespace that it comes from.
        until("a process is inside", || {
            let place = |path: &Path| std::fs::metadata(path).map(|m| m.ino()).ok();
            let own = PathBuf::from(format!("/proc/{}/ns/net", held.id()));
            place(&own).is_some() && place(&own) == place(&interfaces.join(name))
        })
        .await;
    }
    let link = link.replace("ONE", &pids[0].id().to_string());
    let link = link.replace("TWO", &pids[1].id().to_string());
    run(Command::new("sh").args(["-c", &link]));
    let up = |name: &str, link: &str, address: &str| {
        let up = format!(
            "ip link set lo up; ip addr add {address}/24 dev {link}; ip link set {link} up"
        );
        run(inside(&interfaces.join(name)).args(["sh", "-c", &up]));
    };
    up("eni-task", "task0", "10.0.0.20");
    let mut target = inside(&interfaces.join("eni-task"));
    target
        .arg(std::env::current_exe().unwrap())
        .args(["serve", "10.0.0.20:80"]);
    let target = Ended(target.spawn().unwrap());

    // It is told of the load balancer before the interface has its address.
    let mut states = keeper.load_balancers();
    keeper.tell_load_balancers(LoadBalancerChange::Snapshot(vec![told()]));
    up("eni-lb", "lb0", "10.0.0.10");
    let is_well = |states: &LoadBalancerStates| {
        let state = states.get("arn:lb");
        state.is_some_and(|s| s.is_listening && s.targets[0].state == TargetState::Healthy)
    };
    let well = timeout(PATIENCE, states.wait_for(is_well)).await.is_ok();
    assert!(well, "{:?}", keeper.load_balancers().borrow());
    let ask = |from: &str| {
        let asked = inside(&interfaces.join(from))
            .arg(std::env::current_exe().unwrap())
            .args(["get", "10.0.0.10:80"])
            .output()
            .unwrap();
        String::from_utf8(asked.stdout).unwrap()
    };
    let answer = ask("eni-task");
    assert!(answer.ends_with("from 10.0.0.10"), "{answer}");

    // A killed edge is back, and takes targets to be as they were.
    let pid = lab.pid().unwrap();
    run(Command::new("kill").args(["-9", &pid.to_string()]));
    until("it is back", || ask("eni-task").ends_with("from 10.0.0.10")).await;
    assert!(is_well(&keeper.load_balancers().borrow()));
    Held { target, pids }
}

/// Another build takes over from one that carries traffic, and fails no request.
async fn upgrade(lab: &mut Lab, mut keeper: Keeper) -> Keeper {
    let interfaces = lab.config.interfaces.clone().unwrap();
    let hammer = || {
        let mut hammer = inside(&interfaces.join("eni-task"));
        hammer
            .arg(std::env::current_exe().unwrap())
            .args(["hammer", "10.0.0.10:80"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Ended(hammer.spawn().unwrap())
    };
    let is_well = |states: &LoadBalancerStates| {
        let state = states.get("arn:lb");
        state.is_some_and(|s| s.is_listening && s.targets[0].state == TargetState::Healthy)
    };
    let mut hammers = [hammer(), hammer()];
    let mut stays = Stays::open(&interfaces.join("eni-task"));
    for round in 0..4 {
        let before = lab.pid().unwrap();
        drop(keeper);
        lab.build_anew();
        match round {
            // Neargate is killed before it has started another one.
            1 => {
                let leaving = lab.config.dir.join("leaving");
                std::fs::remove_file(lab.config.dir.join("pid")).unwrap();
                std::fs::create_dir_all(&leaving).unwrap();
                let to = leaving.join(before.to_string());
                std::fs::rename(lab.config.dir.join("socket"), to).unwrap();
            }
            // Neargate is killed before it has told anything; so is the one that it started.
            2 => {
                keeper = lab.keeper();
                until("another is started", || {
                    lab.pid().is_some_and(|pid| pid != before)
                })
                .await;
                drop(keeper);
                let new = lab.pid().unwrap();
                run(Command::new("kill").args(["-9", &new.to_string()]));
            }
            _ => {}
        }
        keeper = lab.keeper();
        keeper.tell(snapshot());
        keeper.tell_load_balancers(LoadBalancerChange::Snapshot(vec![told()]));
        let mut states = keeper.load_balancers();
        let well = timeout(PATIENCE, states.wait_for(is_well)).await.is_ok();
        assert!(well, "{:?}", keeper.load_balancers().borrow());
        answers_in(&keeper, &["vpc-a"]).await;
        assert_ne!(lab.pid(), Some(before));
        assert_eq!(lab.ask("vpc-a", "ip-10-0-0-5.ec2.internal"), "10.0.0.5");
        if round == 0 {
            // What it carries it goes on to carry.
            assert!(runs(before));
            assert_eq!(stays.say(), "from 10.0.0.10");
        }
        until("the one before ends", || !runs(before)).await;
        until("its socket is gone", || lab.leaving().is_empty()).await;
    }
    for hammer in &mut hammers {
        drop(hammer.0.stdin.take());
        let mut said = String::new();
        let out = hammer.0.stdout.as_mut().unwrap();
        std::io::Read::read_to_string(out, &mut said).unwrap();
        let (asked, failed) = said.split_once(' ').unwrap();
        println!("asked: {asked} failed: {failed}");
        assert!(asked.parse::<u32>().unwrap() > 100, "{said}");
        assert_eq!(failed, "[]");
    }
    keeper
}

/// The load balancer goes again.
async fn no_load_balancer(lab: &Lab, keeper: &Keeper, held: Held) {
    let Held { mut target, pids } = held;
    let mut states = keeper.load_balancers();
    // What is gone is not held.
    keeper.tell_load_balancers(LoadBalancerChange::Gone("arn:lb".into()));
    let gone = states.wait_for(LoadBalancerStates::is_empty);
    let gone = timeout(PATIENCE, gone).await.is_ok();
    assert!(gone);
    target.0.kill().unwrap();
    for (name, mut pid) in ["eni-lb", "eni-task"].into_iter().zip(pids) {
        pid.0.kill().unwrap();
        lab.remove_interface(name);
    }
    answers_in(keeper, &["vpc-a"]).await;
}

fn told() -> LoadBalancer {
    let key = TargetKey {
        id: "10.0.0.20".into(),
        port: 80,
    };
    let target = Target {
        key,
        address: [10, 0, 0, 20].into(),
        availability_zone: None,
        draining: false,
    };
    let check = HealthCheck {
        protocol: Protocol::Http,
        port: None,
        path: "/".into(),
        interval_seconds: 300,
        timeout_seconds: 5,
        healthy_threshold: 5,
        unhealthy_threshold: 2,
        matcher: "200".into(),
    };
    let group = TargetGroup {
        arn: "arn:group".into(),
        name: "group".into(),
        protocol: Protocol::Http,
        protocol_version: ProtocolVersion::Http1,
        vpc_id: "vpc-a".into(),
        attributes: Attributes::new(),
        health_check: Some(check),
        targets: vec![target],
    };
    let rule = Rule {
        arn: "arn:rule".into(),
        priority: 0,
        conditions: Vec::new(),
        actions: vec![Action::Forward {
            target_groups: vec![("arn:group".into(), 1)],
            stickiness_seconds: None,
        }],
        transforms: Vec::new(),
    };
    LoadBalancer {
        arn: "arn:lb".into(),
        load_balancer_type: LoadBalancerType::Application,
        dns_name: "lb.us-east-1.elb.amazonaws.com".into(),
        vpc_id: "vpc-a".into(),
        internet_facing: false,
        nodes: vec![Node {
            interface_id: "eni-lb".into(),
            private_ipv4: [10, 0, 0, 10].into(),
            public_ipv4: None,
            availability_zone: "us-east-1a".into(),
        }],
        attributes: Attributes::new(),
        listeners: vec![Listener {
            arn: "arn:listener".into(),
            port: 80,
            protocol: Protocol::Http,
            attributes: Attributes::new(),
            tls: None,
            rules: vec![rule],
        }],
        target_groups: vec![group],
    }
}

/// Answers every request with the address that it came from.
fn serve_here(at: &str) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind(at).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let body = format!("from {}", stream.peer_addr().unwrap().ip());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    }
}

/// Prints what is answered there, if something is.
fn get_here(at: &str) {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(at) else {
        return;
    };
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    print!("{answer}");
}

/// Asks again and again, half of the time on a connection that it keeps, until its input ends. Prints how
/// often, and what failed.
fn hammer_here(at: &str) {
    use std::io::{Read as _, Write as _};
    let is_over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_over);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        told.store(true, Ordering::SeqCst);
    });
    let (mut asked, mut failed) = (0, Vec::new());
    let mut kept = None;
    while !is_over.load(Ordering::SeqCst) {
        asked += 1;
        let done = (|| {
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => std::net::TcpStream::connect(at)?,
            };
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
            let mut answer = Vec::new();
            while !answer.ends_with(b"from 10.0.0.10") {
                let mut more = [0; 4096];
                match stream.read(&mut more)? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    length => answer.extend_from_slice(&more[..length]),
                }
            }
            let answer = String::from_utf8_lossy(&answer).into_owned();
            if asked % 2 == 0 && !answer.contains("Connection: close") {
                kept = Some(stream);
            }
            std::io::Result::Ok(answer)
        })();
        match done {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") => {}
            other => failed.push(format!("{other:?}")),
        }
    }
    print!("{asked} {failed:?}");
}

/// A connection from a namespace that stays open, whoever carries it.
struct Stays(std::net::TcpStream);

impl Stays {
    fn open(namespace: &Path) -> Stays {
        let namespace = std::fs::File::open(namespace).unwrap();
        let connect = move || {
            let network = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(namespace.as_fd(), network).unwrap();
            std::net::TcpStream::connect("10.0.0.10:80").unwrap()
        };
        let mut stream = std::thread::spawn(connect).join().unwrap();
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab";
        std::io::Write::write_all(&mut stream, head).unwrap();
        Stays(stream)
    }

    /// Ends its request; the end of the answer.
    fn say(&mut self) -> String {
        std::io::Write::write_all(&mut self.0, b"cd").unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut self.0, &mut answer).unwrap();
        answer
            .split("\r\n\r\n")
            .nth(1)
            .unwrap_or(&answer)
            .to_owned()
    }
}

/// What a load balancer's test holds.
struct Held {
    target: Ended,
    pids: [Ended; 2],
}

/// A process that does not outlive the test.
struct Ended(std::process::Child);

impl Ended {
    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn resident(pid: i32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap_or_default()
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned()
}
