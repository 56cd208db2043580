//! The client's side of a data channel.

use crate::client::Client;
use anyhow::{Context, Result, bail};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use neargate_api_ecs as ecs;
use neargate_base::time::{Stopwatch, SystemClock};
use neargate_base::{Clock, Rng, task};
use neargate_ssm::data_channel::{
    ACKNOWLEDGE, Acknowledged, CHANNEL_CLOSED, Channel, ChannelEnd, Frame, Message, Outgoing,
    Payload, Side, read, write,
};
use serde_json::json;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;

/// How many frames wait to be written.
const QUEUED: usize = 64;

pub struct Session {
    rng: Rng,
    watch: Stopwatch,
    channel: Channel,
    incoming: mpsc::Receiver<Vec<u8>>,
    outgoing: mpsc::Sender<Outgoing>,
    queue: VecDeque<Outgoing>,
    inbox: VecDeque<Message>,
    end: Option<ChannelEnd>,
}

impl Session {
    pub async fn open(client: &Client, begun: &ecs::Session) -> Result<Session> {
        let url = begun.stream_url.as_deref().unwrap_or_default();
        let path = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = path.find('/').map_or("/", |at| &path[at..]);
        let rng = Rng::from_entropy();
        let upgraded = client.web_socket(path, &rng).await?;
        let (from, mut to) = tokio::io::split(TokioIo::new(upgraded));
        let open = json!({
            "MessageSchemaVersion": "1.0",
            "RequestId": rng.uuid(),
            "TokenValue": begun.token_value,
            "ClientId": rng.uuid(),
            "ClientVersion": "1.2.0.0",
        });
        let text = Outgoing::Text(open.to_string().into_bytes());
        write(&mut to, text, mask(&rng))
            .await
            .context("the data channel")?;
        let (received, incoming) = mpsc::channel(QUEUED);
        let (outgoing, queued) = mpsc::channel(QUEUED);
        task::spawn("data-channel-in", take_in(from, received));
        task::spawn("data-channel-out", put_out(to, queued));
        Ok(Session {
            rng,
            watch: Stopwatch::start(),
            channel: Channel::of(Side::Client),
            incoming,
            outgoing,
            queue: VecDeque::new(),
            inbox: VecDeque::new(),
            end: None,
        })
    }

    /// Until the program is there.
    pub async fn shake_hands(&mut self) -> Result<()> {
        loop {
            let Some(message) = self.next().await? else {
                let said = self.end.take().unwrap_or_default().output;
                bail!("{}", said.trim());
            };
            if message.is(Payload::HandshakeRequest) {
                let done = json!({
                    "ClientVersion": "1.2.0.0",
                    "ProcessedClientActions": [{
                        "ActionType": "SessionType", "ActionStatus": 1, "ActionResult": null, "Error": "",
                    }],
                    "Errors": null,
                });
                self.send(Payload::HandshakeResponse, done.to_string().into_bytes());
            } else if message.is(Payload::HandshakeComplete) {
                return Ok(());
            }
        }
    }

    pub fn has_room(&self) -> bool {
        self.channel.has_room()
    }

    pub fn type_in(&mut self, bytes: Vec<u8>) {
        self.send(Payload::Output, bytes);
    }

    pub fn resize(&mut self, (columns, rows): (u16, u16)) {
        let size = json!({ "cols": columns, "rows": rows });
        self.send(Payload::Size, size.to_string().into_bytes());
    }

    /// What is shown next; `None`: it is over.
    pub async fn output(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            match self.next().await? {
                Some(message) if message.is(Payload::Output) => return Ok(Some(message.payload)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// What was said at the end, and the program's exit code.
    pub fn end(self) -> (String, i32) {
        let end = self.end.unwrap_or_default();
        (end.output, end.exit_code.unwrap_or(0))
    }

    fn send(&mut self, kind: Payload, payload: Vec<u8>) {
        let now = (SystemClock.now(), &self.rng);
        let bytes = self.channel.send(kind, payload, now, self.watch.elapsed());
        self.queue.push_back(Outgoing::Binary(bytes));
    }

    /// The next message in order; nothing is lost when this is dropped while it waits.
    async fn next(&mut self) -> Result<Option<Message>> {
        loop {
            if let Some(message) = self.inbox.pop_front() {
                return Ok(Some(message));
            }
            if self.end.is_some() {
                return Ok(None);
            }
            let pause = self.channel.wake_in(self.watch.elapsed());
            let pause = pause.unwrap_or(Duration::from_secs(3600));
            let bytes = tokio::select! {
                bytes = self.incoming.recv() => bytes,
                place = self.outgoing.reserve(), if !self.queue.is_empty() => {
                    if let (Ok(place), Some(frame)) = (place, self.queue.pop_front()) {
                        place.send(frame);
                    }
                    continue;
                }
                () = tokio::time::sleep(pause) => {
                    let again = self.channel.again(self.watch.elapsed());
                    self.queue.extend(again.map(Outgoing::Binary));
                    continue;
                }
            };
            let bytes = bytes.context("the connection to Neargate ended")?;
            let Some(message) = Message::decode(&bytes) else {
                continue;
            };
            match message.kind.as_str() {
                ACKNOWLEDGE => {
                    let heard: Acknowledged = serde_json::from_slice(&message.payload)?;
                    let sequence = heard.acknowledged_message_sequence_number;
                    self.channel.acknowledged(sequence, self.watch.elapsed());
                }
                CHANNEL_CLOSED => self.end = Some(serde_json::from_slice(&message.payload)?),
                _ => {
                    let now = (SystemClock.now(), &self.rng);
                    let received = self.channel.receive(message, now);
                    let acknowledgement = received.acknowledgement.map(Outgoing::Binary);
                    self.queue.extend(acknowledgement);
                    self.inbox.extend(received.messages);
                }
            }
        }
    }
}

fn mask(rng: &Rng) -> Option<[u8; 4]> {
    let mut mask = [0; 4];
    rng.fill(&mut mask);
    Some(mask)
}

async fn take_in(mut from: ReadHalf<TokioIo<Upgraded>>, received: mpsc::Sender<Vec<u8>>) {
    let mut partial = None;
    while let Ok(frame) = read(&mut from, &mut partial, Side::Client).await {
        match frame {
            Frame::Binary(bytes) => {
                if received.send(bytes).await.is_err() {
                    return;
                }
            }
            Frame::Close => return,
            Frame::Text(_) | Frame::Ping(_) | Frame::Pong => {}
        }
    }
}

async fn put_out(mut to: WriteHalf<TokioIo<Upgraded>>, mut queued: mpsc::Receiver<Outgoing>) {
    let rng = Rng::from_entropy();
    while let Some(frame) = queued.recv().await {
        if write(&mut to, frame, mask(&rng)).await.is_err() {
            return;
        }
    }
}
