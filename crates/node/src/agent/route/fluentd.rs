//! `fluentd`, and `awsfirelens`, which is the same to the task's log router: records by the forward
//! protocol (<https://docs.docker.com/engine/logging/drivers/fluentd/>,
//! <https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1>).

use super::options::Options;
use super::pack::Pack;
use super::reach::{Address, Reach, Wire};
use super::{About, Sink};
use crate::runtime::Record;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::io;

const OPTIONS: [&str; 9] = [
    "fluentd-address",
    "fluentd-async",
    "fluentd-async-connect",
    "fluentd-async-reconnect-interval",
    "fluentd-buffer-limit",
    "fluentd-max-retries",
    "fluentd-request-ack",
    "fluentd-retry-wait",
    "fluentd-sub-second-precision",
];

#[derive(Debug)]
pub struct Fluentd {
    wire: Wire,
    tag: String,
    /// What every record has beside its line.
    fields: BTreeMap<String, String>,
    /// The receiver need not be there when the container starts.
    is_async: bool,
    sub_second: bool,
    /// Records count as taken once the receiver says so.
    request_ack: bool,
    sent: u64,
}

impl Fluentd {
    /// # Errors
    /// Docker's words for options that its driver does not take.
    pub fn new(options: &Options, about: &About, reach: Reach) -> Result<Fluentd, String> {
        options.only(&OPTIONS)?;
        let given = options.get("fluentd-address").unwrap_or("127.0.0.1:24224");
        let address = Address::parse(given, "tcp", 24224)?;
        reach.check(&address)?;
        if !address.is_stream() {
            return Err(format!("invalid fluentd-address {given}"));
        }
        let flags = ["fluentd-async", "fluentd-async-connect"];
        let [is_async, connects_later] = flags.map(|option| options.flag(option));
        Ok(Fluentd {
            wire: Wire::new(reach, address),
            tag: options.tag(about)?,
            fields: fields(about, options.attributes(about)?),
            is_async: is_async?.or(connects_later?) == Some(true),
            sub_second: options.flag("fluentd-sub-second-precision")? == Some(true),
            request_ack: options.flag("fluentd-request-ack")? == Some(true),
            sent: 0,
        })
    }

    /// As the ECS agent sets Docker's driver up for a container that logs through a router.
    pub fn to_router(about: &About, reach: Reach) -> Fluentd {
        Fluentd {
            wire: Wire::new(reach, Address::Router),
            tag: about.router_tag.clone(),
            fields: fields(about, BTreeMap::new()),
            is_async: true,
            sub_second: true,
            request_ack: false,
            sent: 0,
        }
    }

    /// `[tag, [[time, record] ...], options]`.
    fn packed(&self, lines: &[Record<'_>], chunk: Option<&str>) -> Vec<u8> {
        let mut pack = Pack::default();
        pack.array(3).text(self.tag.as_bytes()).array(lines.len());
        for line in lines {
            let millis = u64::try_from(line.timestamp.as_millis()).unwrap_or(0);
            let seconds = u32::try_from(millis / 1000).unwrap_or(u32::MAX);
            pack.array(2);
            match self.sub_second {
                true => pack.event_time(seconds, (millis % 1000) as u32 * 1_000_000),
                false => pack.number(seconds),
            };
            pack.map(self.fields.len() + 2);
            for (name, value) in &self.fields {
                pack.text(name.as_bytes()).text(value.as_bytes());
            }
            let source: &[u8] = if line.stderr { b"stderr" } else { b"stdout" };
            pack.text(b"source").text(source);
            pack.text(b"log").text(line.message);
        }
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        pack.map(1 + usize::from(chunk.is_some()));
        pack.text(b"size").number(count);
        if let Some(chunk) = chunk {
            pack.text(b"chunk").text(chunk.as_bytes());
        }
        pack.0
    }
}

fn fields(about: &About, attributes: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut fields = attributes;
    fields.insert("container_id".into(), about.id.clone());
    fields.insert("container_name".into(), about.shown_name());
    // They are the line's own.
    fields.remove("log");
    fields.remove("source");
    fields
}

#[async_trait]
impl Sink for Fluentd {
    async fn probe(&mut self) -> io::Result<()> {
        match self.is_async {
            true => Ok(()),
            false => self.wire.connect().await,
        }
    }

    async fn send(&mut self, lines: &[Record<'_>]) -> io::Result<()> {
        if !self.request_ack {
            let packed = self.packed(lines, None);
            return self.wire.send(&packed).await;
        }
        self.sent += 1;
        let begun = lines.first().map_or(0, |line| line.timestamp.as_millis());
        let chunk = format!("{}-{begun}-{}", self.tag, self.sent);
        let mut expected = Pack::default();
        expected.map(1).text(b"ack").text(chunk.as_bytes());
        let packed = self.packed(lines, Some(&chunk));
        let answer = self.wire.ask(&packed, expected.0.len()).await?;
        match answer == expected.0 {
            true => Ok(()),
            false => Err(io::Error::other("another chunk was acknowledged")),
        }
    }
}
