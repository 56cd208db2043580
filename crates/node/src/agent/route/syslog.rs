//! `syslog`: each line a message, in the forms of Docker's driver
//! (<https://docs.docker.com/engine/logging/drivers/syslog/>, RFC 3164, RFC 5424).

use super::options::Options;
use super::reach::{Address, Reach, Wire};
use super::{About, Sink};
use crate::runtime::Record;
use async_trait::async_trait;
use neargate_base::Timestamp;
use std::io;

const OPTIONS: [&str; 3] = ["syslog-address", "syslog-facility", "syslog-format"];
/// The names of the facilities, by their numbers.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "12", "13", "14", "15", "local0", "local1", "local2", "local3", "local4", "local5",
    "local6", "local7",
];
const DAEMON: usize = 3;
const ERROR: usize = 3;
const INFO: usize = 6;
const PORT: u16 = 514;
/// What a datagram holds; longer lines are cut, as no receiver takes them.
const MOST_BYTES: usize = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// What programs write to `/dev/log`.
    Local,
    Rfc3164,
    Rfc5424,
    /// With microseconds.
    Rfc5424Micro,
}

#[derive(Debug)]
pub struct Syslog {
    wire: Wire,
    format: Format,
    facility: usize,
    tag: String,
    host: String,
    pid: u32,
}

impl Syslog {
    /// # Errors
    /// Docker's words for options that its driver does not take.
    pub fn new(options: &Options, about: &About, reach: Reach) -> Result<Syslog, String> {
        let given = options
            .get("syslog-address")
            .unwrap_or("unixgram:///dev/log");
        if given.starts_with("tcp+tls://") {
            return Err("the syslog driver speaks no TLS here (syslog-address tcp+tls)".to_owned());
        }
        options.only(&OPTIONS)?;
        let address = Address::parse(given, "tcp", PORT)
            .map_err(|_| format!("unsupported protocol or address: {given}"))?;
        reach.check(&address)?;
        Ok(Syslog {
            wire: Wire::new(reach, address),
            format: match options.get("syslog-format") {
                None => Format::Local,
                Some("rfc3164") => Format::Rfc3164,
                Some("rfc5424") => Format::Rfc5424,
                Some("rfc5424micro") => Format::Rfc5424Micro,
                Some(_) => return Err("Invalid syslog format".to_owned()),
            },
            facility: match options.get("syslog-facility") {
                None => DAEMON,
                Some(given) => facility(given).ok_or("invalid syslog facility")?,
            },
            tag: options.tag(about)?,
            host: about.host.clone(),
            pid: std::process::id(),
        })
    }

    /// A message with its newline, which also ends it in a stream.
    fn message(&self, line: &Record<'_>) -> Vec<u8> {
        let severity = if line.stderr { ERROR } else { INFO };
        let priority = self.facility * 8 + severity;
        let (tag, host, pid) = (&self.tag, &self.host, self.pid);
        let time = line.timestamp.rfc3339();
        let head = match self.format {
            Format::Local => format!("<{priority}>{} {tag}[{pid}]: ", stamp(line.timestamp)),
            Format::Rfc3164 => {
                format!(
                    "<{priority}>{} {host} {tag}[{pid}]: ",
                    stamp(line.timestamp)
                )
            }
            Format::Rfc5424 => {
                let second = time.get(..19).unwrap_or(&time);
                format!("<{priority}>1 {second}Z {host} {tag} {pid} {tag} - ")
            }
            Format::Rfc5424Micro => {
                let millis = time.trim_end_matches('Z');
                format!("<{priority}>1 {millis}000Z {host} {tag} {pid} {tag} - ")
            }
        };
        let mut message = head.into_bytes();
        message.extend_from_slice(line.message);
        message.push(b'\n');
        message
    }
}

fn facility(given: &str) -> Option<usize> {
    let by_name = FACILITIES.iter().position(|name| *name == given);
    by_name.or_else(|| given.parse().ok().filter(|n| *n < FACILITIES.len()))
}

/// `Jan  2 15:04:05`, in UTC.
fn stamp(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = at.rfc3339();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month: usize = part(5, 7).parse().unwrap_or(1);
    let day: u32 = part(8, 10).parse().unwrap_or(1);
    let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"Jan");
    format!("{month} {day:2} {}", part(11, 19))
}

#[async_trait]
impl Sink for Syslog {
    async fn probe(&mut self) -> io::Result<()> {
        self.wire.connect().await
    }

    async fn send(&mut self, lines: &[Record<'_>]) -> io::Result<()> {
        if self.wire.is_stream() {
            let messages = lines.iter().flat_map(|line| self.message(line));
            let messages: Vec<u8> = messages.collect();
            return self.wire.send(&messages).await;
        }
        for line in lines {
            let mut message = self.message(line);
            message.truncate(MOST_BYTES);
            self.wire.datagram(&message).await?;
        }
        Ok(())
    }
}
