//! Sockets that go from one process to another with a line of text (`SCM_RIGHTS`, unix(7)).

use super::told::Handed;
use crate::load_balancer::HandedSockets;
use neargate_domain::load_balancer::TargetHealth;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// How many go with one message; the kernel takes 253.
const AT_ONCE: usize = 200;
/// The room for as many.
const ROOM: usize = 16 * 1024;

/// Sends them with their names, and what is known of targets.
///
/// # Errors
/// The other process is gone.
pub(super) async fn send(
    stream: &UnixStream,
    sockets: HandedSockets,
    health: Vec<TargetHealth>,
) -> io::Result<()> {
    let (names, sockets): (Vec<String>, Vec<OwnedFd>) = sockets.into_iter().unzip();
    let last = names.len().div_ceil(AT_ONCE).max(1);
    let mut health = Some(health);
    for part in 0..last {
        let range = part * AT_ONCE..names.len().min((part + 1) * AT_ONCE);
        let handed = Handed {
            sockets: names[range.clone()].to_vec(),
            health: health.take().unwrap_or_default(),
            is_last: part + 1 == last,
        };
        let line = super::server::line(&handed)?;
        let sockets: Vec<_> = sockets[range].iter().map(|socket| socket.as_fd()).collect();
        send_line(stream, &line, &sockets).await?;
    }
    Ok(())
}

async fn send_line(stream: &UnixStream, line: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut rest = line;
    while !rest.is_empty() {
        let is_first = rest.len() == line.len();
        let sent = stream.async_io(Interest::WRITABLE, || {
            let mut room = [MaybeUninit::uninit(); ROOM];
            let mut with = SendAncillaryBuffer::new(&mut room);
            if is_first && !sockets.is_empty() {
                with.push(SendAncillaryMessage::ScmRights(sockets));
            }
            let flags = SendFlags::NOSIGNAL;
            Ok(sendmsg(stream, &[IoSlice::new(rest)], &mut with, flags)?)
        });
        rest = &rest[sent.await?..];
    }
    Ok(())
}

/// Lines from another process, and the sockets that came with them.
#[derive(Debug, Default)]
pub(super) struct Received {
    text: Vec<u8>,
    sockets: VecDeque<OwnedFd>,
}

impl Received {
    /// The next line. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// There is none any more.
    pub(super) async fn line(&mut self, stream: &UnixStream) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.text) {
                return Ok(self.text.drain(..=end).collect());
            }
            let read = stream.async_io(Interest::READABLE, || self.read(stream));
            if read.await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn read(&mut self, stream: &UnixStream) -> io::Result<usize> {
        let mut bytes = [0; ROOM];
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut with = RecvAncillaryBuffer::new(&mut room);
        let into = &mut [IoSliceMut::new(&mut bytes)];
        let received = recvmsg(stream, into, &mut with, RecvFlags::CMSG_CLOEXEC)?;
        for message in with.drain() {
            if let RecvAncillaryMessage::ScmRights(sockets) = message {
                self.sockets.extend(sockets);
            }
        }
        self.text.extend_from_slice(&bytes[..received.bytes]);
        Ok(received.bytes)
    }

    /// What comes after it was asked for, with what is known of targets.
    ///
    /// # Errors
    /// The other process is gone.
    pub(super) async fn sockets(
        &mut self,
        stream: &UnixStream,
    ) -> io::Result<(HandedSockets, Vec<TargetHealth>)> {
        let (mut sockets, mut known) = (HandedSockets::new(), Vec::new());
        loop {
            let line = self.line(stream).await?;
            // It says how it is, too.
            let Ok(handed) = serde_json::from_slice::<Handed>(&line) else {
                continue;
            };
            for name in handed.sockets {
                let socket = self.sockets.pop_front().ok_or(io::ErrorKind::InvalidData)?;
                sockets.insert(name, socket);
            }
            known.extend(handed.health);
            if handed.is_last {
                return Ok((sockets, known));
            }
        }
    }
}
