//! A load balancer in this process, targets that do what they are told, and clients that say what
//! they are told.

use crate::load_balancer::{LoadBalancerState, LoadBalancers};
use neargate_base::Rng;
use neargate_base::task::spawn;
use neargate_domain::load_balancer::*;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const PORT: u16 = 8080;

pub struct Lab {
    pub balancers: LoadBalancers,
    pub told: LoadBalancer,
    pub address: Ipv4Addr,
    /// What was told last has a group with a target at this port, which nobody asks.
    mark: u16,
}

const MARK: &str = "~mark";

/// An address that no other test has, in this process or in another.
fn own_address() -> Ipv4Addr {
    // All of three digits, so that texts are in the order of numbers.
    static NEXT: AtomicU8 = AtomicU8::new(100);
    let pid = std::process::id().to_le_bytes();
    let last = NEXT.fetch_add(1, Ordering::SeqCst);
    Ipv4Addr::new(127, 64 | (pid[1] & 63), pid[0], last)
}

impl Lab {
    /// One listener, whose rule leads to one group without targets and without health checks.
    pub fn new() -> Lab {
        let address = own_address();
        let rule = rule(vec![], forward(&[("blue", 1)]));
        let told = LoadBalancer {
            arn: "arn:lb".into(),
            load_balancer_type: LoadBalancerType::Application,
            dns_name: "front-1.us-east-1.elb.amazonaws.com".into(),
            vpc_id: "vpc-1".into(),
            internet_facing: false,
            nodes: vec![Node {
                interface_id: "eni-1".into(),
                private_ipv4: address,
                public_ipv4: None,
                availability_zone: "us-east-1a".into(),
            }],
            attributes: Attributes::new(),
            listeners: vec![listener(PORT, vec![rule])],
            target_groups: vec![group("blue", &[])],
        };
        Lab {
            balancers: LoadBalancers::new(None, None, Arc::new(Rng::seeded(1))),
            told,
            address,
            mark: 0,
        }
    }

    /// With one target that does this with every request.
    pub async fn with(target: impl Behaviour) -> Lab {
        let mut lab = Lab::new();
        lab.told.target_groups = vec![group("blue", &[self::target(target).await])];
        lab.start().await;
        lab
    }

    pub fn set(&mut self, key: &str, value: &str) -> &mut Lab {
        self.told.attributes.insert(key.into(), value.into());
        self
    }

    pub fn rules(&mut self) -> &mut Vec<Rule> {
        &mut self.told.listeners[0].rules
    }

    pub fn tell(&self) {
        let change = LoadBalancerChange::LoadBalancer(Box::new(self.told.clone()));
        self.balancers.tell(change, Vec::new());
    }

    /// Tells it all, and waits until it holds and listens.
    pub async fn start(&mut self) {
        self.mark += 1;
        let mark = (Ipv4Addr::LOCALHOST, self.mark).into();
        self.told.target_groups.retain(|group| group.arn != MARK);
        self.told.target_groups.push(group(MARK, &[mark]));
        self.tell();
        let mark = self.mark;
        self.until_any("it listens", |state| {
            let mut marks = state.targets.iter().filter(|t| t.target_group_arn == MARK);
            state.is_listening && marks.any(|target| target.key.port == mark)
        })
        .await;
    }

    pub async fn until(&self, what: &str, holds: impl Fn(&LoadBalancerState) -> bool) {
        let without_mark = |state: &LoadBalancerState| {
            let mut state = state.clone();
            state
                .targets
                .retain(|target| target.target_group_arn != MARK);
            holds(&state)
        };
        self.until_any(what, without_mark).await;
    }

    async fn until_any(&self, what: &str, holds: impl Fn(&LoadBalancerState) -> bool) {
        let mut states = self.balancers.states();
        let wait = states.wait_for(|states| states.get("arn:lb").is_some_and(|s| holds(s)));
        let found = timeout(PATIENCE, wait).await.map(|found| found.is_ok());
        let states = self.balancers.states().borrow().clone();
        assert_eq!(found, Ok(true), "{what}: {states:?}");
    }

    pub fn at(&self) -> SocketAddr {
        (self.address, PORT).into()
    }

    pub async fn connect(&self) -> Client {
        Client {
            stream: TcpStream::connect(self.at()).await.unwrap(),
            text: Vec::new(),
        }
    }

    /// What is answered to one request on a connection of its own.
    pub async fn ask(&self, request: &str) -> Answered {
        let mut client = self.connect().await;
        client.send(request.as_bytes()).await;
        client.answer().await
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n"))
            .await
    }
}

pub fn listener(port: u16, rules: Vec<Rule>) -> Listener {
    Listener {
        arn: format!("arn:listener/{port}"),
        port,
        protocol: Protocol::Http,
        attributes: Attributes::new(),
        tls: None,
        rules,
    }
}

pub fn rule(conditions: Vec<Condition>, action: Action) -> Rule {
    Rule {
        arn: "arn:rule".into(),
        priority: 0,
        conditions,
        actions: vec![action],
        transforms: Vec::new(),
    }
}

pub fn fixed(text: &str) -> Action {
    Action::FixedResponse {
        status_code: 200,
        content_type: Some("text/plain".into()),
        message_body: Some(text.into()),
    }
}

pub fn forward(groups: &[(&str, u32)]) -> Action {
    let groups = groups.iter();
    Action::Forward {
        target_groups: groups
            .map(|(arn, weight)| ((*arn).into(), *weight))
            .collect(),
        stickiness_seconds: None,
    }
}

pub fn group(arn: &str, targets: &[SocketAddr]) -> TargetGroup {
    TargetGroup {
        arn: arn.into(),
        name: arn.into(),
        protocol: Protocol::Http,
        protocol_version: ProtocolVersion::Http1,
        vpc_id: "vpc-1".into(),
        attributes: Attributes::new(),
        health_check: None,
        targets: targets.iter().map(|at| registered(*at)).collect(),
    }
}

pub fn registered(at: SocketAddr) -> Target {
    let SocketAddr::V4(at) = at else {
        panic!("targets are reached by IPv4");
    };
    Target {
        key: TargetKey {
            id: at.ip().to_string(),
            port: at.port(),
        },
        address: *at.ip(),
        availability_zone: Some("us-east-1a".into()),
        draining: false,
    }
}

/// What a target does with a request, whose head it was sent.
pub trait Behaviour: Send + Sync + 'static {
    /// May the connection go on?
    fn answer(&self, head: String, connection: &mut Client) -> impl Future<Output = bool> + Send;
}

/// Answers with what it was sent, the body after the head.
pub struct Echo(pub &'static str);

impl Behaviour for Echo {
    async fn answer(&self, head: String, connection: &mut Client) -> bool {
        let body = connection.body(&head, false).await;
        let text = format!("{}\n{head}{}", self.0, String::from_utf8_lossy(&body));
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
        connection.send(answer.as_bytes()).await;
        connection.send(text.as_bytes()).await;
        true
    }
}

/// Answers with these bytes, whatever the body is, and closes the connection.
pub struct Says(pub &'static str);

impl Behaviour for Says {
    async fn answer(&self, _: String, connection: &mut Client) -> bool {
        connection.send(self.0.as_bytes()).await;
        false
    }
}

/// Says nothing at all.
pub struct Hangs;

impl Behaviour for Hangs {
    async fn answer(&self, _: String, connection: &mut Client) -> bool {
        while connection.more().await {}
        false
    }
}

/// Counts the connections that were made to a target.
pub struct Counted<B>(pub B, pub Arc<AtomicUsize>);

impl<B: Behaviour> Behaviour for Counted<B> {
    async fn answer(&self, head: String, connection: &mut Client) -> bool {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.answer(head, connection).await
    }
}

/// A target that behaves so with every request.
pub async fn target(behaviour: impl Behaviour) -> SocketAddr {
    let listener = TcpListener::bind((own_address(), 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let behaviour = Arc::new(behaviour);
    spawn("target", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let behaviour = Arc::clone(&behaviour);
            stream.set_nodelay(true).unwrap();
            spawn("target", async move {
                let mut connection = Client {
                    stream,
                    text: Vec::new(),
                };
                while let Some(head) = connection.head().await {
                    if !behaviour.answer(head, &mut connection).await {
                        return;
                    }
                }
            });
        }
    });
    at
}

/// Either end of a connection.
pub struct Client {
    pub stream: TcpStream,
    pub text: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub head: String,
    pub body: Vec<u8>,
}

impl Answered {
    pub fn status(&self) -> u16 {
        let word = self.head.split(' ').nth(1);
        word.and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// The first field of this name in a head.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let field = fields.find(|(n, _)| n.eq_ignore_ascii_case(name));
    field.map(|(_, value)| value.trim())
}

impl Client {
    pub async fn send(&mut self, bytes: &[u8]) {
        // Who is gone hears nothing.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads more, if there is more.
    pub async fn more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.text);
        let read = timeout(PATIENCE, read).await.expect("it says something");
        read.is_ok_and(|length| length > 0)
    }

    /// Was the connection closed, without another word?
    pub async fn is_closed(&mut self) -> bool {
        !self.more().await && self.text.is_empty()
    }

    /// A head with its empty line.
    pub async fn head(&mut self) -> Option<String> {
        loop {
            let end = self.text.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.text.drain(..end + 4).collect();
                return String::from_utf8(head).ok();
            }
            // A target waits for requests as long as the test goes on.
            if !matches!(self.stream.read_buf(&mut self.text).await, Ok(1..)) {
                return None;
            }
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.text.len() < length && self.more().await {}
        let length = length.min(self.text.len());
        self.text.drain(..length).collect()
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.text.drain(..end + 2).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert!(self.more().await, "a line ends");
        }
    }

    /// The body after a head; trailers come behind it, a line each.
    pub async fn body(&mut self, head: &str, until_close: bool) -> Vec<u8> {
        if field(head, "transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let size = usize::from_str_radix(&self.line().await, 16).unwrap();
                body.extend(self.take(size).await);
                let end = self.line().await;
                if size == 0 {
                    let mut trailer = end;
                    while !trailer.is_empty() {
                        body.extend(format!("{trailer}\n").into_bytes());
                        trailer = self.line().await;
                    }
                    return body;
                }
            }
        }
        match field(head, "content-length") {
            Some(length) => self.take(length.parse().unwrap()).await,
            None if until_close => {
                while self.more().await {}
                std::mem::take(&mut self.text)
            }
            None => Vec::new(),
        }
    }

    pub async fn answer(&mut self) -> Answered {
        let head = timeout(PATIENCE, self.head()).await.expect("it answers");
        let head = head.expect("an answer has a head");
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = match status.as_str() {
            "100" | "101" | "204" | "304" => Vec::new(),
            _ => self.body(&head, true).await,
        };
        Answered { head, body }
    }
}
