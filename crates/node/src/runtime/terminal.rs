//! A program that somebody runs on a terminal in a running container.
//!
//! The shim starts it and hands over the terminal's other end; what goes over it never passes the
//! shim. Invariant: the program ends with the channels of whoever asked for it, and with the agent.

use super::exec::ExecEnd;
use super::shim::{ShimRuntime, socket_path};
use super::{Executed, Runtime, Started};
use crate::net::dial_tcp;
use crate::shim::{
    ExecRequest, Reply, Request, STARTED, read_json, receive, set_window_size, start_ticks,
};
use neargate_base::task;
use neargate_domain::{TerminalInput, TerminalOutput};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::pin::pin;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;

/// How many pieces of input and output wait for their reader.
const PIECES: usize = 16;
/// The size of the largest piece.
const PIECE_BYTES: usize = 4096;
/// How much is still read of what was written before the program ended: processes that it left
/// behind may write for ever.
const LAST_BYTES: usize = 1 << 20;

/// Both directions of a terminal.
#[derive(Debug)]
pub struct Terminal {
    pub input: mpsc::Sender<TerminalInput>,
    pub output: mpsc::Receiver<TerminalOutput>,
}

/// Why a program does not run on a terminal.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error("the container does not run")]
    NotRunning,
    /// There is no such program in it, or it cannot be executed.
    #[error("{0}")]
    NotStarted(String),
    #[error("{0}")]
    Refused(String),
}

impl TerminalError {
    /// As the program's user is told.
    pub fn told(&self) -> String {
        match self {
            TerminalError::NotStarted(why) => format!("Failed to start pty: {why}"),
            error => error.to_string(),
        }
    }
}

impl ShimRuntime {
    /// Runs a program as root on a terminal in a container of a task, confined as the container's
    /// own programs. It is killed when the answer's channels are dropped.
    ///
    /// # Errors
    /// When it is not started.
    pub async fn terminal(
        &self,
        task_id: &str,
        name: &str,
        args: &[String],
    ) -> Result<Terminal, TerminalError> {
        Self::check(task_id, name).map_err(|e| TerminalError::Refused(e.to_string()))?;
        let dir = self.state_dir(task_id, name);
        let gone = |_: io::Error| TerminalError::NotRunning;
        let (_guard, path) = socket_path(&dir).map_err(gone)?;
        let mut shim = Shim {
            stream: UnixStream::connect(path).await.map_err(gone)?,
            read: Vec::new(),
            terminal: None,
        };
        let request = Request::Exec(ExecRequest {
            args: args.to_vec(),
            timeout_millis: u64::MAX,
            terminal: true,
        });
        let mut line = serde_json::to_vec(&request).expect("plain data always serialises");
        line.push(b'\n');
        shim.stream.write_all(&line).await.map_err(gone)?;
        let terminal = match shim.reply().await {
            Some(Reply::Terminal) => shim.terminal.take().ok_or(TerminalError::NotRunning)?,
            Some(Reply::Executed(Executed { end, .. })) => {
                return Err(match end {
                    ExecEnd::NotStarted(why) => TerminalError::NotStarted(why),
                    ExecEnd::Exited(_) | ExecEnd::TimedOut => TerminalError::NotRunning,
                });
            }
            Some(Reply::Refused(why)) => return Err(TerminalError::Refused(why)),
            Some(Reply::Done) | None => return Err(TerminalError::NotRunning),
        };
        let refused = |e: io::Error| TerminalError::Refused(e.to_string());
        rustix::io::ioctl_fionbio(&terminal, true).map_err(|e| refused(e.into()))?;
        // SAFETY: an owned descriptor stays what it is until it is dropped, by the AsyncFd.
        #[allow(unsafe_code)]
        let terminal = unsafe { AsyncFd::register(terminal) };
        let terminal = terminal.map_err(|e| refused(e.into()))?;
        let (input, typed) = mpsc::channel(PIECES);
        let (shown, output) = mpsc::channel(PIECES);
        task::spawn("terminal", async move {
            tokio::select! {
                () = feed(&terminal, typed) => {}
                () = show(&terminal, shim, shown) => {}
            }
        });
        Ok(Terminal { input, output })
    }
}

impl ShimRuntime {
    /// A connection from inside the network of a container that runs.
    ///
    /// # Errors
    /// When it does not run, or nobody listens there.
    pub async fn connect(
        &self,
        task_id: &str,
        name: &str,
        to: SocketAddrV4,
    ) -> io::Result<TcpStream> {
        Self::check(task_id, name).map_err(io::Error::other)?;
        let started: Started = read_json(&self.state_dir(task_id, name).join(STARTED))?;
        let pid = started.pid;
        if start_ticks(pid) != Some(started.start_ticks) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let netns = PathBuf::from(format!("/proc/{pid}/ns/net"));
        dial_tcp(Some(&netns), SocketAddr::V4(to)).await
    }
}

/// A stream to the container's shim, on which a descriptor comes.
struct Shim {
    stream: UnixStream,
    read: Vec<u8>,
    terminal: Option<OwnedFd>,
}

impl Shim {
    /// The next reply; `None`: the shim has ended.
    async fn reply(&mut self) -> Option<Reply> {
        loop {
            while let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                // What it says to everybody is none.
                if let Ok(reply) = serde_json::from_slice(&line) {
                    return Some(reply);
                }
            }
            let mut buffer = [0; PIECE_BYTES];
            let stream = &self.stream;
            let received = stream.async_io(Interest::READABLE, || {
                Ok(receive(stream.as_fd(), &mut buffer, RecvFlags::DONTWAIT)?)
            });
            match received.await {
                Ok((n, [descriptor, _])) if n > 0 => {
                    self.read.extend_from_slice(&buffer[..n]);
                    self.terminal = self.terminal.take().or(descriptor);
                }
                Ok(_) | Err(_) => return None,
            }
        }
    }
}

/// Until whoever types has gone.
async fn feed(terminal: &AsyncFd<OwnedFd>, mut typed: mpsc::Receiver<TerminalInput>) {
    while let Some(input) = typed.recv().await {
        match input {
            TerminalInput::Bytes(bytes) => {
                if write_all(terminal, &bytes).await.is_err() {
                    // Nobody has the other end open: the program's end says more.
                    std::future::pending::<()>().await;
                }
            }
            TerminalInput::Size { columns, rows } => {
                let _ = set_window_size(terminal.get_ref(), columns, rows);
            }
        }
    }
}

async fn write_all(terminal: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let write = |fd: &OwnedFd| Ok(rustix::io::write(fd, bytes)?);
        let written = terminal.async_io(Interest::WRITABLE, write).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Until the program has ended, or nobody looks.
async fn show(terminal: &AsyncFd<OwnedFd>, mut shim: Shim, shown: mpsc::Sender<TerminalOutput>) {
    let mut ended = pin!(shim.reply());
    let mut is_open = true;
    let end = loop {
        let piece = async {
            let place = shown.reserve().await;
            let mut buffer = vec![0; PIECE_BYTES];
            let read = |fd: &OwnedFd| Ok(rustix::io::read(fd, &mut *buffer)?);
            let n = terminal.async_io(Interest::READABLE, read).await;
            buffer.truncate(n.as_ref().map_or(0, |n| *n));
            (place, buffer)
        };
        tokio::select! {
            biased;
            (place, bytes) = piece, if is_open => match place {
                Err(_) => return,
                // Nobody has the other end open any more.
                Ok(_) if bytes.is_empty() => is_open = false,
                Ok(place) => place.send(TerminalOutput::Bytes(bytes)),
            },
            end = &mut ended => break end,
            () = shown.closed() => return,
        }
    };
    let mut left = LAST_BYTES;
    let mut buffer = vec![0; PIECE_BYTES];
    while left > 0 {
        match rustix::io::read(terminal.get_ref(), &mut *buffer) {
            Ok(n) if n > 0 => {
                left = left.saturating_sub(n);
                let bytes = TerminalOutput::Bytes(buffer[..n].to_vec());
                if shown.send(bytes).await.is_err() {
                    return;
                }
            }
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => break,
        }
    }
    let code = match end {
        Some(Reply::Executed(Executed {
            end: ExecEnd::Exited(code),
            ..
        })) => code,
        _ => return,
    };
    let _ = shown.send(TerminalOutput::Ended(code)).await;
}
