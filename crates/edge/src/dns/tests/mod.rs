//! The resolver as clients meet it: over loopback, with servers that are honest, slow, lying or away.

mod bytes;
mod forward;
mod serve;
mod zones;

use super::names::Names;
use super::names::tests::{sources, table};
use super::{Door, Forwarder, Resolver, Sockets, Upstream};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use neargate_base::Rng;
use neargate_base::task::spawn;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

/// A resolver for `vpc-a` on loopback.
struct Lab {
    at: SocketAddr,
    _door: Door,
    dir: tempfile::TempDir,
}

impl Lab {
    /// Its servers are these addresses of loopback, at this port.
    fn new(servers: &[Ipv4Addr], port: u16) -> Lab {
        Lab::knowing(sources(&table()), servers, port)
    }

    /// The same with other sources of names.
    fn knowing(sources: Vec<Box<dyn Names>>, servers: &[Ipv4Addr], port: u16) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        let lines: String = servers
            .iter()
            .map(|s| format!("nameserver {s}\n"))
            .collect();
        std::fs::write(&file, lines).unwrap();
        let forwarder = Forwarder::new(Upstream::with_port(file, port), Arc::new(Rng::seeded(1)));
        let resolver = Arc::new(Resolver::new(sources, forwarder));
        let (udp, tcp) = pair(Ipv4Addr::LOCALHOST);
        let at = udp.local_addr().unwrap();
        let sockets = Sockets {
            udp: vec![udp],
            tcp: vec![tcp],
        };
        let _door = Door::open(&resolver, "vpc-a", sockets).unwrap();
        Lab { at, _door, dir }
    }

    fn alone() -> Lab {
        Lab::new(&[], 53)
    }

    async fn udp(&self, asked: &[u8]) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.send_to(asked, self.at).await.unwrap();
        let mut buffer = vec![0; 65_536];
        let (length, from) = timeout(PATIENCE, socket.recv_from(&mut buffer))
            .await
            .ok()?
            .unwrap();
        assert_eq!(from, self.at, "it answers from where it was asked");
        buffer.truncate(length);
        Some(buffer)
    }

    async fn tcp(&self, asked: &[u8]) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        stream.write_u16(asked.len() as u16).await.unwrap();
        stream.write_all(asked).await.unwrap();
        let length = timeout(PATIENCE, stream.read_u16()).await.unwrap().ok()?;
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await.unwrap();
        Some(answer)
    }

    /// Asks by UDP and reads the answer.
    async fn ask(&self, asked: &Message) -> Message {
        let answer = self.udp(&asked.to_vec().unwrap()).await.expect("an answer");
        let answer = Message::from_vec(&answer).unwrap();
        assert_eq!(
            (answer.id, answer.message_type),
            (asked.id, MessageType::Response)
        );
        answer
    }

    async fn ask_for(&self, name: &str, kind: RecordType) -> Message {
        self.ask(&question(name, kind)).await
    }
}

/// Longer than any test waits for something that comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// UDP and TCP on one port.
fn pair(ip: Ipv4Addr) -> (std::net::UdpSocket, std::net::TcpListener) {
    loop {
        let udp = std::net::UdpSocket::bind((ip, 0)).unwrap();
        if let Ok(tcp) = std::net::TcpListener::bind(udp.local_addr().unwrap()) {
            udp.set_nonblocking(true).unwrap();
            tcp.set_nonblocking(true).unwrap();
            return (udp, tcp);
        }
    }
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    message
}

fn with_edns(mut message: Message, bytes: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(bytes);
    message.set_edns(edns);
    message
}

/// A server on loopback that says what `answer` makes of a question, `true` for one by TCP; nothing
/// where that is empty.
struct Server {
    at: SocketAddr,
    heard: Arc<parking_lot::Mutex<Vec<Message>>>,
}

type Answers = fn(&Message, bool) -> Vec<Vec<u8>>;

impl Server {
    /// At 127.0.0.`n` and this port; 0 for one that is free.
    fn new(n: u8, port: u16, answer: Answers) -> Server {
        let ip = Ipv4Addr::new(127, 0, 0, n);
        let (udp, tcp) = match port {
            0 => pair(ip),
            port => {
                let udp = std::net::UdpSocket::bind((ip, port)).unwrap();
                let tcp = std::net::TcpListener::bind((ip, port)).unwrap();
                udp.set_nonblocking(true).unwrap();
                tcp.set_nonblocking(true).unwrap();
                (udp, tcp)
            }
        };
        let at = udp.local_addr().unwrap();
        let heard = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let (udp, tcp) = (
            UdpSocket::from_std(udp).unwrap(),
            TcpListener::from_std(tcp).unwrap(),
        );
        let listening = Arc::clone(&heard);
        spawn("server", async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
                let asked = Message::from_vec(&buffer[..length]).unwrap();
                listening.lock().push(asked.clone());
                for said in answer(&asked, false) {
                    udp.send_to(&said, from).await.unwrap();
                }
            }
        });
        spawn("server", async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let length = stream.read_u16().await.unwrap();
                let mut asked = vec![0; length.into()];
                stream.read_exact(&mut asked).await.unwrap();
                for said in answer(&Message::from_vec(&asked).unwrap(), true) {
                    stream.write_u16(said.len() as u16).await.unwrap();
                    stream.write_all(&said).await.unwrap();
                }
            }
        });
        Server { at, heard }
    }

    fn lab(&self) -> Lab {
        let SocketAddr::V4(at) = self.at else {
            panic!("IPv4");
        };
        Lab::new(&[*at.ip()], at.port())
    }

    fn asked(&self) -> usize {
        self.heard.lock().len()
    }
}

fn reply_to(asked: &Message) -> Message {
    let mut reply = Message::response(asked.id, OpCode::Query);
    reply.metadata.recursion_available = true;
    reply.add_queries(asked.queries.clone());
    reply
}

fn address(asked: &Message, ttl: u32, address: [u8; 4]) -> Record {
    let name = asked.queries[0].name.clone();
    Record::from_rdata(name, ttl, RData::A(A(address.into())))
}

fn text(asked: &Message, n: usize) -> Record {
    let text = TXT::new(vec![format!("{n:050}")]);
    Record::from_rdata(asked.queries[0].name.clone(), 60, RData::TXT(text))
}

fn soa(minimum: u32) -> Record {
    let name = || Name::from_str("example.").unwrap();
    let soa = SOA::new(name(), name(), 1, 2, 3, 4, minimum);
    Record::from_rdata(name(), 3_600, RData::SOA(soa))
}
