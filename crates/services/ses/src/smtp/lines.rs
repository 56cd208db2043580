//! Lines and mails off a connection, bounded in length and time. A line ends with CR LF and with nothing
//! else: what ends a mail for one server must end it for every other.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

/// The longest command (RFC 5321, 4.5.3.1, and room for a long answer to AUTH).
const MOST_LINE: usize = 12 << 10;

/// Why there is no line, or no mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the client takes too long")]
    Late,
    #[error("a line is too long")]
    Long,
    #[error("a line ends without CR LF")]
    Bare,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) struct Lines<S> {
    pub stream: S,
    buffer: Vec<u8>,
    patience: Duration,
}

/// A mail that came, or that it was too long.
pub(super) enum Data {
    Mail(Vec<u8>),
    TooLong,
}

impl<S: Stream> Lines<S> {
    pub fn new(stream: S, patience: Duration) -> Lines<S> {
        Lines {
            stream,
            buffer: Vec::new(),
            patience,
        }
    }

    /// Did the client say more than was read?
    pub fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    pub async fn say(&mut self, text: &str) -> Result<(), Broken> {
        let line = format!("{text}\r\n");
        let saying = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        match timeout(self.patience, saying).await {
            Ok(said) => Ok(said?),
            Err(_) => Err(Broken::Late),
        }
    }

    /// The next line, without its end.
    pub async fn line(&mut self) -> Result<Vec<u8>, Broken> {
        let until = Instant::now() + self.patience;
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                return match line.pop() {
                    Some(b'\r') if !line.contains(&b'\r') => Ok(line),
                    _ => Err(Broken::Bare),
                };
            }
            if self.buffer.len() > MOST_LINE {
                return Err(Broken::Long);
            }
            timeout_at(until, self.more())
                .await
                .map_err(|_| Broken::Late)??;
        }
    }

    async fn more(&mut self) -> Result<(), Broken> {
        let mut part = [0; 16 << 10];
        let count = self.stream.read(&mut part).await?;
        if count == 0 {
            return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        self.buffer.extend_from_slice(&part[..count]);
        Ok(())
    }

    /// A mail up to the line with only a dot, its doubled dots single again. One that is longer than
    /// `most` is read to its end and dropped.
    pub async fn data(&mut self, most: usize, whole: Duration) -> Result<Data, Broken> {
        let until = Instant::now() + whole;
        let (mut mail, mut size) = (Vec::new(), 0_usize);
        let (mut at_start, mut rest) = (true, 0);
        loop {
            // Whole lines are taken off; what is behind them waits for more.
            let mut from = 0;
            while let Some(found) = self.buffer[rest.max(from)..]
                .iter()
                .position(|b| *b == b'\n')
            {
                let end = rest.max(from) + found;
                let line = &self.buffer[from..=end];
                if !line.ends_with(b"\r\n") || line[..line.len() - 2].contains(&b'\r') {
                    return Err(Broken::Bare);
                }
                if at_start && line == b".\r\n" {
                    self.buffer.drain(..=end);
                    return Ok(match size > most {
                        true => Data::TooLong,
                        false => Data::Mail(mail),
                    });
                }
                let line = match at_start && line.starts_with(b".") {
                    true => &line[1..],
                    false => line,
                };
                size += line.len();
                if size <= most {
                    mail.extend_from_slice(line);
                } else {
                    mail = Vec::new();
                }
                at_start = true;
                from = end + 1;
            }
            self.buffer.drain(..from);
            rest = self.buffer.len();
            // A line without end costs no more memory than a mail may.
            if rest > most.max(MOST_LINE) {
                return Err(Broken::Long);
            }
            let next = (Instant::now() + self.patience).min(until);
            timeout_at(next, self.more())
                .await
                .map_err(|_| Broken::Late)??;
        }
    }
}
