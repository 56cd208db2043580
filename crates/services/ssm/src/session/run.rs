//! One session, from its first connection to its end: the part of AWS's SSM agent and of its
//! message gateway at once.
//!
//! ```text
//! token -> HandshakeRequest -> HandshakeResponse -> HandshakeComplete -> input, output, sizes
//!       -> the program has ended, or the session: channel_closed
//! ```

use super::NORMAL;
use super::audit::{self, Transcript};
use super::channel::{Channel, id, millis};
use super::cipher::Cipher;
use super::message::{
    ACKNOWLEDGE, Acknowledged, CHANNEL_CLOSED, ChannelClosed, HandshakeResponse, Message,
    PAUSE_PUBLICATION, Payload, START_PUBLICATION, Side, Size, flag,
};
use super::websocket::Outgoing;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_base::time::Stopwatch;
use neargate_domain::{TerminalInput, TerminalOutput};
use neargate_service::House;
use neargate_service::session::{Encryption, Phase, Purpose, Session, Stream, Terminal};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// ECS Exec's, and Session Manager's default
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html#ecs-exec-considerations>).
const IDLE: Duration = Duration::from_secs(20 * 60);
/// As long as the agent waits for a client's side of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long a client may take for what was shown last.
const LAST: Duration = Duration::from_secs(10);
/// As the agent cuts what it sends.
const PIECE_BYTES: usize = 1024;
/// The action that has a client make a data key.
const KMS_ENCRYPTION: &str = "KMSEncryption";
/// How many pieces of input wait for a program that does not read. Then nothing more is taken.
const WAITING: usize = 1024;
/// Clients multiplex connections to a port of any later agent than 3.0.196.0, and end a session by a
/// flag of any later one than 2.3.722.0.
const AGENT_VERSION: &str = "3.0.0.0";

/// What a session has of one connection.
#[derive(Debug)]
pub struct Connection {
    /// Whole messages.
    pub incoming: mpsc::Receiver<Vec<u8>>,
    pub outgoing: mpsc::Sender<Outgoing>,
}

/// Why a session is over, as its client is told; nothing: its program has ended.
type End = String;

struct Driver<'a> {
    house: &'a Arc<House>,
    session: &'a Session,
    connections: mpsc::Receiver<Connection>,
    connection: Option<Connection>,
    channel: Channel,
    /// What is typed and shown goes through it.
    cipher: Option<Cipher>,
    exit_code: Option<i32>,
    /// What has come, in order.
    inbox: VecDeque<Message>,
    /// What is still to go out on the connection.
    queue: VecDeque<Outgoing>,
    /// The client has asked for a pause.
    paused: bool,
    watch: Stopwatch,
    /// When something was last typed or shown.
    active_at: Duration,
}

/// What happens next.
enum Next {
    Message(Message),
    /// There is room to send more.
    Room,
}

pub async fn run(house: &Arc<House>, session: &Session, connections: mpsc::Receiver<Connection>) {
    let mut driver = Driver {
        house,
        session,
        connections,
        connection: None,
        channel: Channel::of(Side::Container),
        cipher: None,
        exit_code: None,
        inbox: VecDeque::new(),
        queue: VecDeque::new(),
        paused: false,
        watch: Stopwatch::start(),
        active_at: Duration::ZERO,
    };
    let mut transcript = Transcript::default();
    let end = tokio::select! {
        end = driver.live(&mut transcript) => end,
        () = session.terminating() => String::new(),
    };
    // Whoever hears that it is over finds it over.
    session.enter(Phase::Terminated, house.now());
    driver.close(&end).await;
    audit::write(house, session, transcript).await;
}

impl Driver<'_> {
    async fn live(&mut self, transcript: &mut Transcript) -> End {
        if let Err(end) = self.shake_hands().await {
            return end;
        }
        let (house, session) = (self.house, self.session);
        let Some(containers) = house.sessions.containers() else {
            return "This host runs no containers.".to_owned();
        };
        let place = &session.wanted.place;
        match &session.wanted.purpose {
            Purpose::Command { args } => match containers.terminal(place, args).await {
                Ok(terminal) => self.terminal(terminal, transcript).await,
                Err(why) => format!("\n----------ERROR-------\nUnable to start command: {why}"),
            },
            Purpose::Port { host, port, .. } => {
                let mut first = None;
                loop {
                    let connected = containers.connect(place, host.as_deref(), *port).await;
                    let end = match connected {
                        Ok(stream) => self.port(stream, first).await,
                        Err(why) => Some(format!("Connection to destination port failed: {why}")),
                    };
                    if let Some(end) = end {
                        return end;
                    }
                    // Whatever is sent next is for another connection.
                    first = match self.forwarded().await {
                        Ok(bytes) => Some(bytes),
                        Err(end) => return end,
                    };
                }
            }
        }
    }

    async fn shake_hands(&mut self) -> Result<(), End> {
        let (kind, properties) = match &self.session.wanted.purpose {
            Purpose::Command { args } => (
                "InteractiveCommands",
                json!({
                    "linux": { "commands": args.join(" "), "runAsElevated": true },
                }),
            ),
            Purpose::Port {
                port, local_port, ..
            } => (
                "Port",
                json!({
                    "portNumber": port.to_string(),
                    "localPortNumber": local_port.as_deref().unwrap_or("0"),
                    "type": "LocalPortForwarding",
                }),
            ),
        };
        let session_type = json!({
            "ActionType": "SessionType",
            "ActionParameters": { "SessionType": kind, "Properties": properties },
        });
        let encryption = self.session.wanted.encryption.as_ref().map(|encryption| {
            json!({
                "ActionType": KMS_ENCRYPTION,
                "ActionParameters": { "KMSKeyId": encryption.key_id },
            })
        });
        let actions: Vec<Value> = encryption.into_iter().chain([session_type]).collect();
        let request = json!({
            "AgentVersion": AGENT_VERSION,
            "RequestedClientActions": actions,
        });
        let begun = self.watch.elapsed();
        self.send(Payload::HandshakeRequest, request.to_string().into_bytes());
        let response = self.answer(Payload::HandshakeResponse).await?;
        let response: HandshakeResponse =
            serde_json::from_slice(&response).map_err(|error| error.to_string())?;
        if let Some(error) = response.errors.iter().flatten().next() {
            return Err(error.clone());
        }
        if let Some(encryption) = &self.session.wanted.encryption {
            self.agree(encryption, &response).await?;
        }
        let took = self.watch.elapsed().saturating_sub(begun).as_nanos();
        let said = match self.cipher {
            Some(_) => "This session is encrypted using AWS KMS.",
            None => "",
        };
        let complete = json!({
            "HandshakeTimeToComplete": u64::try_from(took).unwrap_or(u64::MAX),
            "CustomerMessage": said,
        });
        self.send(
            Payload::HandshakeComplete,
            complete.to_string().into_bytes(),
        );
        Ok(())
    }

    /// The client's part of the handshake.
    async fn answer(&mut self, kind: Payload) -> Result<Vec<u8>, End> {
        let answer = async {
            loop {
                if let Next::Message(message) = self.next(false).await?
                    && message.is(kind)
                {
                    return Ok(message.payload);
                }
            }
        };
        let answered = tokio::time::timeout(HANDSHAKE, answer).await;
        answered.unwrap_or_else(|_| {
            Err(
                "Handshake timed out. Please ensure that you have the latest version of the \
                 session manager plugin."
                    .to_owned(),
            )
        })
    }

    /// Both sides show that they have the key.
    async fn agree(
        &mut self,
        encryption: &Encryption,
        response: &HandshakeResponse,
    ) -> Result<(), End> {
        let mut done = response.processed_client_actions.iter();
        let done = done.find(|action| action.action_type == KMS_ENCRYPTION);
        let key = done.and_then(|action| action.action_result["KMSCipherTextKey"].as_str());
        let key = key.and_then(|key| STANDARD.decode(key).ok());
        let key = key.ok_or("The client has sent no data key.")?;
        let cipher = Cipher::of_session(self.house, self.session, &encryption.role, key).await?;
        let mut challenge = [0; 64];
        self.house.rng.fill(&mut challenge);
        let sealed = STANDARD.encode(cipher.seal(&self.house.rng, &challenge));
        let request = json!({ "Challenge": sealed }).to_string();
        self.send(Payload::ChallengeRequest, request.into_bytes());
        let answer = self.answer(Payload::ChallengeResponse).await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        let sealed = answer["Challenge"]
            .as_str()
            .map(|text| STANDARD.decode(text));
        let opened = sealed.and_then(Result::ok).and_then(|s| cipher.open(&s));
        if opened.as_deref() != Some(&challenge[..]) {
            return Err("Encryption challenge does not match!".to_owned());
        }
        self.cipher = Some(cipher);
        Ok(())
    }

    /// Carries a terminal to its end.
    async fn terminal(&mut self, mut terminal: Terminal, transcript: &mut Transcript) -> End {
        let mut typed: VecDeque<TerminalInput> = VecDeque::new();
        loop {
            // Nothing more is taken from a client whose program does not read.
            let takes = typed.len() < WAITING;
            let next = tokio::select! {
                next = self.next(false), if takes => next,
                output = terminal.output.recv(), if self.channel.has_room() && !self.paused => {
                    match output {
                        Some(TerminalOutput::Bytes(bytes)) => {
                            transcript.add(&bytes);
                            self.active_at = self.watch.elapsed();
                            for piece in bytes.chunks(PIECE_BYTES) {
                                self.send(Payload::Output, piece.to_vec());
                            }
                            continue;
                        }
                        Some(TerminalOutput::Ended(code)) => {
                            transcript.ended(code);
                            self.exit_code = Some(code);
                            return self.settle().await;
                        }
                        // The container ended first.
                        None => return self.settle().await,
                    }
                }
                place = terminal.input.reserve(), if !typed.is_empty() => {
                    if let (Ok(place), Some(input)) = (place, typed.pop_front()) {
                        place.send(input);
                    } else {
                        typed.clear();
                    }
                    continue;
                }
            };
            let message = match next {
                Ok(Next::Message(message)) => message,
                Ok(Next::Room) => continue,
                Err(end) => return end,
            };
            if message.is(Payload::Output) {
                self.active_at = self.watch.elapsed();
                typed.push_back(TerminalInput::Bytes(message.payload));
            } else if message.is(Payload::Size) {
                if let Ok(size) = serde_json::from_slice::<Size>(&message.payload) {
                    let number = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
                    let (columns, rows) = (number(size.cols), number(size.rows));
                    typed.push_back(TerminalInput::Size { columns, rows });
                }
            } else if flag_of(&message) == Some(flag::TERMINATE_SESSION) {
                return String::new();
            }
        }
    }

    /// Carries a connection, on which `first` is sent first, to its end; nothing: another may come.
    async fn port(&mut self, stream: Box<dyn Stream>, first: Option<Vec<u8>>) -> Option<End> {
        let (mut from, mut to) = tokio::io::split(stream);
        let (taken, mut to_write) = mpsc::channel::<Vec<u8>>(16);
        let write = async move {
            while let Some(bytes) = to_write.recv().await {
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        let mut write = std::pin::pin!(write);
        let mut waiting: VecDeque<Vec<u8>> = first.into_iter().collect();
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let next = tokio::select! {
                next = self.next(false), if waiting.len() < WAITING => next,
                n = from.read(&mut buffer), if self.channel.has_room() && !self.paused => match n {
                    Ok(n) if n > 0 => {
                        self.active_at = self.watch.elapsed();
                        self.send(Payload::Output, buffer[..n].to_vec());
                        continue;
                    }
                    Ok(_) | Err(_) => return None,
                },
                place = taken.reserve(), if !waiting.is_empty() => {
                    if let (Ok(place), Some(bytes)) = (place, waiting.pop_front()) {
                        place.send(bytes);
                    }
                    continue;
                }
                () = &mut write => return None,
            };
            match next {
                Ok(Next::Message(message)) => match flag_of(&message) {
                    Some(flag::TERMINATE_SESSION) => return Some(String::new()),
                    Some(flag::DISCONNECT_TO_PORT) => return None,
                    _ if message.is(Payload::Output) => {
                        self.active_at = self.watch.elapsed();
                        waiting.push_back(message.payload);
                    }
                    _ => {}
                },
                Ok(Next::Room) => {}
                Err(end) => return Some(end),
            }
        }
    }

    /// What is sent next to a port to which there is no connection.
    async fn forwarded(&mut self) -> Result<Vec<u8>, End> {
        loop {
            if let Next::Message(message) = self.next(false).await? {
                if flag_of(&message) == Some(flag::TERMINATE_SESSION) {
                    return Err(String::new());
                }
                if message.is(Payload::Output) {
                    return Ok(message.payload);
                }
            }
        }
    }

    /// What was shown last is to arrive before the end does.
    async fn settle(&mut self) -> End {
        let arrived = async {
            while !self.channel.is_settled() {
                if self.next(true).await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LAST, arrived).await;
        String::new()
    }

    fn send(&mut self, kind: Payload, mut payload: Vec<u8>) {
        if let (Payload::Output, Some(cipher)) = (kind, &self.cipher) {
            payload = cipher.seal(&self.house.rng, &payload);
        }
        let now = (self.house.now(), &*self.house.rng);
        let bytes = self.channel.send(kind, payload, now, self.watch.elapsed());
        self.queue.push_back(Outgoing::Binary(bytes));
    }

    /// The next message of the client's; acknowledges, sends and sends again meanwhile.
    /// `settling`: also answers when something has arrived. The error is the session's end.
    async fn next(&mut self, settling: bool) -> Result<Next, End> {
        loop {
            if let Some(mut message) = self.inbox.pop_front() {
                if let (true, Some(cipher)) = (message.is(Payload::Output), &self.cipher) {
                    let opened = cipher.open(&message.payload);
                    message.payload = opened.ok_or("What the client sent cannot be decrypted.")?;
                }
                return Ok(Next::Message(message));
            }
            let watch = self.watch.elapsed();
            let idle = (self.active_at + IDLE).saturating_sub(watch);
            if idle.is_zero() {
                return Err("Your session timed out due to inactivity.".to_owned());
            }
            let again = self
                .channel
                .wake_in(watch)
                .filter(|_| self.connection.is_some());
            let pause = again.map_or(idle, |again| again.min(idle));
            let had_room = self.channel.has_room();
            let outgoing = self.connection.as_ref().map(|c| c.outgoing.clone());
            let received = tokio::select! {
                connection = self.connections.recv() => {
                    // The sender lives as long as this task is known.
                    self.connected(connection.ok_or_else(String::new)?);
                    continue;
                }
                received = receive(&mut self.connection) => received,
                () = flush(outgoing, &mut self.queue) => continue,
                () = tokio::time::sleep(pause) => {
                    if let Some(bytes) = self.channel.again(self.watch.elapsed()) {
                        self.queue.push_back(Outgoing::Binary(bytes));
                    }
                    continue;
                }
            };
            let Some(bytes) = received else {
                self.connection = None;
                self.queue.clear();
                self.session.enter(Phase::Disconnected, self.house.now());
                continue;
            };
            let Some(message) = Message::decode(&bytes) else {
                tracing::debug!(
                    session = self.session.wanted.id,
                    "what is no message is dropped"
                );
                continue;
            };
            match message.kind.as_str() {
                ACKNOWLEDGE => {
                    if let Ok(heard) = serde_json::from_slice::<Acknowledged>(&message.payload) {
                        let sequence = heard.acknowledged_message_sequence_number;
                        self.channel.acknowledged(sequence, self.watch.elapsed());
                    }
                    if settling || !had_room {
                        return Ok(Next::Room);
                    }
                }
                PAUSE_PUBLICATION => self.paused = true,
                START_PUBLICATION => {
                    self.paused = false;
                    return Ok(Next::Room);
                }
                _ => {
                    let now = (self.house.now(), &*self.house.rng);
                    let received = self.channel.receive(message, now);
                    if let Some(bytes) = received.acknowledgement {
                        self.queue.push_back(Outgoing::Binary(bytes));
                    }
                    self.inbox.extend(received.messages);
                }
            }
        }
    }

    /// It takes the place of the one before.
    fn connected(&mut self, connection: Connection) {
        self.connection = Some(connection);
        self.session.enter(Phase::Connected, self.house.now());
        self.queue.clear();
        self.paused = false;
        let again = self.channel.all_again(self.watch.elapsed());
        self.queue.extend(again.into_iter().map(Outgoing::Binary));
    }

    /// Tells the client that it is over.
    async fn close(&mut self, output: &str) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let now = self.house.now();
        let mut message = Message {
            kind: CHANNEL_CLOSED.to_owned(),
            created_millis: millis(now),
            sequence: 0,
            flags: 3,
            id: id(&self.house.rng),
            payload_type: Payload::None as u32,
            payload: Vec::new(),
        };
        let closed = ChannelClosed {
            message_id: message.uuid(),
            created_date: now.rfc3339(),
            destination_id: &self.session.wanted.target,
            session_id: &self.session.wanted.id,
            message_type: CHANNEL_CLOSED,
            schema_version: 1,
            output,
            exit_code: self.exit_code,
        };
        message.payload = serde_json::to_vec(&closed).expect("plain data always serialises");
        let mut last = std::mem::take(&mut self.queue);
        last.push_back(Outgoing::Binary(message.encode()));
        last.push_back(Outgoing::Close(NORMAL));
        let say = async {
            for frame in last {
                if connection.outgoing.send(frame).await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LAST, say).await;
    }
}

/// The next whole message; `None`: the connection has gone. Waits while there is none.
async fn receive(connection: &mut Option<Connection>) -> Option<Vec<u8>> {
    match connection {
        Some(connection) => connection.incoming.recv().await,
        None => std::future::pending().await,
    }
}

/// Hands over one frame that waits. Waits for ever while there is none, or nobody takes it.
async fn flush(outgoing: Option<mpsc::Sender<Outgoing>>, queue: &mut VecDeque<Outgoing>) {
    let Some(outgoing) = outgoing.filter(|_| !queue.is_empty()) else {
        return std::future::pending().await;
    };
    match outgoing.reserve().await {
        Ok(place) => {
            if let Some(frame) = queue.pop_front() {
                place.send(frame);
            }
        }
        // The connection's end is seen where it is read.
        Err(_) => std::future::pending().await,
    }
}

fn flag_of(message: &Message) -> Option<u32> {
    let bytes = message.is(Payload::Flag).then_some(&message.payload)?;
    Some(u32::from_be_bytes(bytes.as_slice().try_into().ok()?))
}
