//! The control socket: JSON lines over a Unix stream.
//!
//! Every client first gets a [`Greeting`], as soon as it is known whether the container
//! started; then one [`Reply`] per [`Request`]. The end of the stream is the end of the shim.
//! Who may connect is decided by the state directory's mode (0700).

use super::message;
use crate::runtime::{Executed, StartFailure, Started};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};

/// The first line a client gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Greeting {
    Started(Started),
    Failed(StartFailure),
}

/// What a client may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Send this signal to the container's first process.
    Signal(i32),
    /// Run a program in the container; answered with [`Reply::Executed`] when it has ended. It
    /// is killed when the client goes away.
    Exec(ExecRequest),
}

/// A program to be run in a container that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecRequest {
    pub args: Vec<String>,
    /// The program and whatever it started is killed after this long.
    pub timeout_millis: u64,
    /// It is a person's: it runs as root on a terminal of the container's, and is announced by
    /// [`Reply::Terminal`] first.
    #[serde(default)]
    pub terminal: bool,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Done,
    Refused(String),
    /// The other end of the program's terminal comes with it.
    Terminal,
    Executed(Executed),
}

/// A longer request is no request of ours: a whole task definition has 64 KiB.
const LONGEST_REQUEST: usize = 256 * 1024;

/// Tells one client from the others for as long as the shim lives.
pub(super) type ClientId = u64;

#[derive(Debug)]
struct Client {
    id: ClientId,
    socket: OwnedFd,
    input: Vec<u8>,
}

/// The listening socket and its clients.
#[derive(Debug)]
pub(super) struct Control {
    listener: OwnedFd,
    clients: Vec<Client>,
    next: ClientId,
    greeting: Option<Vec<u8>>,
}

impl Control {
    pub fn new(listener: OwnedFd) -> Self {
        Control {
            listener,
            clients: Vec::new(),
            next: 0,
            greeting: None,
        }
    }

    /// The descriptors to poll: the listener, then each client.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        std::iter::once(&self.listener)
            .chain(self.clients.iter().map(|client| &client.socket))
            .map(|socket| PollFd::new(socket, PollFlags::IN))
    }

    /// Tells every client, present and future, how the start went. Whoever started the shim is
    /// among them: it connected before there was a shim.
    pub fn greet(&mut self, greeting: &Greeting) {
        self.accept();
        let line = line(greeting);
        for client in &self.clients {
            send(&client.socket, &line);
        }
        self.greeting = Some(line);
    }

    /// Answers whoever is waiting already; the stream ends when this is dropped.
    pub fn finish(mut self, greeting: &Greeting) {
        self.greet(greeting);
    }

    pub fn accept(&mut self) {
        while let Ok(socket) =
            accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
        {
            if let Some(greeting) = &self.greeting {
                send(&socket, greeting);
            }
            self.next += 1;
            self.clients.push(Client {
                id: self.next,
                socket,
                input: Vec::new(),
            });
        }
    }

    /// Reads from every client; answers whole requests with what `act` says, later where that
    /// is nothing ([`Control::reply`]).
    pub fn serve(&mut self, mut act: impl FnMut(ClientId, Request) -> Option<Reply>) {
        self.clients.retain_mut(|client| {
            let mut buffer = [0; 4096];
            loop {
                match rustix::io::read(&client.socket, &mut buffer) {
                    Ok(0) => return false,
                    Ok(n) => client.input.extend_from_slice(&buffer[..n]),
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR) => {}
                    Err(_) => return false,
                }
                if client.input.len() > LONGEST_REQUEST {
                    return false;
                }
            }
            while let Some(end) = client.input.iter().position(|&byte| byte == b'\n') {
                let request: Vec<u8> = client.input.drain(..=end).collect();
                let reply = match serde_json::from_slice(&request) {
                    Ok(request) => act(client.id, request),
                    Err(e) => Some(Reply::Refused(e.to_string())),
                };
                if let Some(reply) = reply {
                    send(&client.socket, &line(&reply));
                }
            }
            true
        });
    }

    /// Answers an earlier request; to a client that is gone, nobody.
    pub fn reply(&self, id: ClientId, reply: &Reply) {
        if let Some(client) = self.clients.iter().find(|client| client.id == id) {
            send(&client.socket, &line(reply));
        }
    }

    /// As [`Control::reply`], with a descriptor that is the client's from then on.
    pub fn reply_with(&self, id: ClientId, reply: &Reply, descriptor: &OwnedFd) {
        if let Some(client) = self.clients.iter().find(|client| client.id == id) {
            let _ = message::send(&client.socket, &line(reply), &[descriptor.as_fd()]);
        }
    }

    pub fn is_connected(&self, id: ClientId) -> bool {
        self.clients.iter().any(|client| client.id == id)
    }
}

fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("plain data always serialises");
    line.push(b'\n');
    line
}

/// Lines are short and the socket's buffer is not: what does not fit belongs to a client that
/// does not read.
fn send(socket: &OwnedFd, line: &[u8]) {
    let _ = rustix::net::send(socket, line, rustix::net::SendFlags::NOSIGNAL);
}
