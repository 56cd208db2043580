//! One connection to a relay: lines and replies, each bounded in length and time.

use super::{Failure, Outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_base::Secret;
use rustls::pki_types::ServerName;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The longest reply, with all its lines: a greeting of a talkative server, and more.
const MOST_REPLY: usize = 32 << 10;
/// How much of a mail goes out at once.
const PART: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// `Some` as long as it is plain.
    plain: Option<TcpStream>,
    buffer: Vec<u8>,
    word: Duration,
    /// What it said to EHLO, a line each.
    offers: Vec<String>,
}

/// What the relay said.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub code: u16,
    /// All of it, in one line, with the code.
    pub text: String,
    lines: Vec<String>,
}

impl Reply {
    pub fn is_good(&self) -> bool {
        self.code / 100 == 2
    }

    pub fn good(self) -> Result<Reply, Failure> {
        match self.is_good() {
            true => Ok(self),
            false => Err(Failure::Said(self.text)),
        }
    }

    /// Only what begins with 5 is for good (RFC 5321, 4.2.1).
    pub fn refusal(self) -> Outcome {
        match self.code / 100 {
            5 => Outcome::Refused(self.text),
            _ => Outcome::Later(self.text),
        }
    }
}

impl Connection {
    pub fn plain(stream: TcpStream, word: Duration) -> Connection {
        Connection {
            stream: Box::new(tokio::io::empty()),
            plain: Some(stream),
            buffer: Vec::new(),
            word,
            offers: Vec::new(),
        }
    }

    pub async fn over_tls(
        connector: TlsConnector,
        name: ServerName<'static>,
        stream: TcpStream,
        word: Duration,
    ) -> Result<Connection, Failure> {
        let shaking = timeout(word, connector.connect(name, stream)).await;
        let stream = shaking.map_err(|_| Failure::Late("TLS".into()))??;
        Ok(Connection {
            stream: Box::new(stream),
            plain: None,
            buffer: Vec::new(),
            word,
            offers: Vec::new(),
        })
    }

    /// What was said before TLS counts for nothing after it, and nothing may be said ahead.
    pub async fn start_tls(
        self,
        connector: TlsConnector,
        name: ServerName<'static>,
    ) -> Result<Connection, Failure> {
        if !self.buffer.is_empty() {
            return Err(Failure::Injected);
        }
        let plain = self.plain.ok_or(Failure::Injected)?;
        Connection::over_tls(connector, name, plain, self.word).await
    }

    pub fn offers(&self, what: &str) -> bool {
        let first = |line: &String| {
            let word = line.split(' ').next().unwrap_or_default();
            word.eq_ignore_ascii_case(what)
        };
        self.offers.iter().any(first)
    }

    pub async fn greeting(&mut self) -> Result<(), Failure> {
        self.reply().await?.good().map(drop)
    }

    pub async fn hello(&mut self) -> Result<(), Failure> {
        let said = self.ask("EHLO neargate.localhost").await?;
        if said.is_good() {
            self.offers = said.lines.into_iter().skip(1).collect();
            return Ok(());
        }
        self.offers.clear();
        self.ask("HELO neargate.localhost").await?.good().map(drop)
    }

    pub async fn authenticate(
        &mut self,
        user: &str,
        password: &Secret<String>,
    ) -> Result<(), Failure> {
        let offered = self.offers.iter().find(|l| {
            let word = l.split([' ', '=']).next().unwrap_or_default();
            word.eq_ignore_ascii_case("AUTH")
        });
        let offered = offered.cloned().unwrap_or_default().to_uppercase();
        let has = |way: &str| offered.split([' ', '=']).any(|w| w == way);
        let password = password.expose();
        if has("PLAIN") {
            let told = STANDARD.encode(format!("\0{user}\0{password}"));
            return self
                .ask(&format!("AUTH PLAIN {told}"))
                .await?
                .good()
                .map(drop);
        }
        if !has("LOGIN") {
            return Err(Failure::NoAuth(offered));
        }
        for told in ["AUTH LOGIN".to_owned(), STANDARD.encode(user)] {
            let reply = self.ask(&told).await?;
            if reply.code != 334 {
                return Err(Failure::Said(reply.text));
            }
        }
        self.ask(&STANDARD.encode(password)).await?.good().map(drop)
    }

    pub async fn ask(&mut self, line: &str) -> Result<Reply, Failure> {
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// The mail, with its dots doubled (RFC 5321, 4.5.2). Every line of it ends with CR LF.
    pub async fn data(&mut self, raw: &[u8]) -> Result<Reply, Failure> {
        let mut out = Vec::with_capacity(PART + 2);
        let mut at_start = true;
        for byte in raw {
            if at_start && *byte == b'.' {
                out.push(b'.');
            }
            at_start = *byte == b'\n';
            out.push(*byte);
            if out.len() >= PART {
                self.write(&out).await?;
                out.clear();
            }
        }
        if !at_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        self.write(&out).await?;
        self.reply().await
    }

    /// The relay has what it needs: its answer tells nothing.
    pub async fn quit(&mut self) {
        let _ = self.write(b"QUIT\r\n").await;
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let writing = async {
            match &mut self.plain {
                Some(plain) => plain.write_all(bytes).await,
                None => {
                    self.stream.write_all(bytes).await?;
                    self.stream.flush().await
                }
            }
        };
        match timeout(self.word, writing).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(Failure::Late("the relay".into())),
        }
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        match timeout(self.word, self.read_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(Failure::Late("the relay".into())),
        }
    }

    async fn read_reply(&mut self) -> Result<Reply, Failure> {
        let (mut lines, mut size) = (Vec::new(), 0);
        loop {
            let line = self.line().await?;
            size += line.len();
            if size > MOST_REPLY {
                return Err(Failure::Endless);
            }
            let code = line.get(..3).and_then(|c| c.parse::<u16>().ok());
            let code = code.filter(|c| (200..600).contains(c));
            let Some(code) = code else {
                return Err(Failure::Nonsense(line.chars().take(80).collect()));
            };
            let more = line[3..].starts_with('-');
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if !more {
                let text = format!("{code} {}", lines.join(" "));
                let text: String = text.chars().filter(|c| !c.is_control()).take(500).collect();
                return Ok(Reply { code, text, lines });
            }
        }
    }

    async fn line(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.buffer.len() > MOST_REPLY {
                return Err(Failure::Endless);
            }
            let mut part = [0; 4096];
            let count = match &mut self.plain {
                Some(plain) => plain.read(&mut part).await?,
                None => self.stream.read(&mut part).await?,
            };
            if count == 0 {
                return Err(Failure::Io(std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.buffer.extend_from_slice(&part[..count]);
        }
    }
}
