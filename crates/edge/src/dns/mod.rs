//! AmazonProvidedDNS (<https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html>):
//! answers what [`names`] know, and forwards the rest to the servers of the host.

mod cache;
mod forward;
mod message;
pub mod names;
mod pace;
mod serve;
#[cfg(test)]
mod tests;
mod upstream;

pub use forward::Forwarder;
pub use serve::{Door, Sockets};
pub use upstream::Upstream;

use hickory_proto::rr::RecordType;
use message::{Question, Reply, Transport, Unasked};
use names::{Asked, Names};
use neargate_base::time::Stopwatch;
use pace::{Client, Pace};

/// The resolver of all VPCs of a host.
#[derive(Debug)]
pub struct Resolver {
    sources: Vec<Box<dyn Names>>,
    forwarder: Forwarder,
    pace: Pace,
    started: Stopwatch,
}

/// What comes of a message.
enum Next {
    /// Nobody is answered.
    Silence,
    Said(Vec<u8>),
    /// The host's servers are asked.
    Forwarded(Question),
}

impl Resolver {
    /// Asks these sources in this order, and then the forwarder.
    pub fn new(sources: Vec<Box<dyn Names>>, forwarder: Forwarder) -> Resolver {
        Resolver {
            sources,
            forwarder,
            pace: Pace::default(),
            started: Stopwatch::start(),
        }
    }

    /// What can be said at once.
    fn at_once(&self, client: &Client, bytes: &[u8], over: Transport) -> Next {
        if !self.pace.admits(client, self.started.elapsed()) {
            return Next::Silence;
        }
        let question = match Question::read(bytes) {
            Ok(question) => question,
            Err(Unasked::Silence) => return Next::Silence,
            Err(Unasked::Refused(refusal)) => return Next::Said(refusal),
        };
        let reply = self.known(&client.0, &question);
        match reply.or_else(|| self.forwarder.known(&question)) {
            Some(reply) => Next::Said(finished(&question, reply, over)),
            None => Next::Forwarded(question),
        }
    }

    /// What the sources know.
    fn known(&self, vpc: &str, question: &Question) -> Option<Reply> {
        let mut text = question.name.to_ascii().to_ascii_lowercase();
        if text.ends_with('.') {
            text.pop();
        }
        let asked = Asked {
            name: &question.name,
            text: &text,
            kind: match question.kind {
                RecordType::ANY => RecordType::A,
                kind => kind,
            },
        };
        let mut sources = self.sources.iter();
        let answer = sources.find_map(|source| source.lookup(vpc, &asked))?;
        Reply::of(question, &answer.message(&question.name, question.kind))
    }

    /// What the host's servers say; at once that it failed when too much waits for them.
    async fn forwarded(&self, client: &Client, question: &Question, over: Transport) -> Vec<u8> {
        let reply = match self.pace.place(client) {
            Some(_place) => self.forwarder.ask(question).await,
            None => question.failed(hickory_proto::op::ResponseCode::ServFail),
        };
        finished(question, reply, over)
    }
}

fn finished(question: &Question, mut reply: Reply, over: Transport) -> Vec<u8> {
    if question.kind == RecordType::ANY {
        reply.only_first_type();
    }
    question.answer(reply, over)
}
