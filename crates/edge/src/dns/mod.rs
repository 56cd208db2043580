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

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use message::{Question, Reply, Transport, Unasked};
use names::{Answer, Asked, Names};
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
    Forwarded(Box<Forwarded>),
}

/// What the host's servers are asked for.
struct Forwarded {
    /// As the client asks.
    question: Question,
    /// What a source says of the name first, and the name to which that leads.
    followed: Option<(Vec<Record>, Question)>,
}

/// What the sources know of a question.
enum Known {
    Nothing,
    Said(Message),
    /// These records, which lead to a name that they do not know.
    LedOn(Vec<Record>, Name),
}

/// How many names an answer leads through: no circle is longer.
const NAMES: usize = 8;

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
        let followed = match self.known(&client.0, &question) {
            Known::Said(message) => {
                let reply = Reply::of(&question, &message);
                let reply = reply.unwrap_or_else(|| question.failed(ResponseCode::ServFail));
                return Next::Said(finished(&question, reply, over));
            }
            Known::LedOn(records, name) => question.about(&name).map(|asked| (records, asked)),
            Known::Nothing => None,
        };
        let forwarded = Forwarded { question, followed };
        let asked = forwarded.asked();
        match self.forwarder.known(asked) {
            Some(reply) => Next::Said(forwarded.finished(reply, over)),
            None => Next::Forwarded(Box::new(forwarded)),
        }
    }

    /// What the sources know.
    fn known(&self, vpc: &str, question: &Question) -> Known {
        let Some(mut answer) = self.lookup(vpc, &question.name, question.kind) else {
            return Known::Nothing;
        };
        let mut followed = Vec::new();
        while let Some(target) = leads_to(&answer, question.kind) {
            if let Answer::Records(records) = answer {
                followed.extend(records);
            }
            if followed.len() > NAMES {
                let nothing = Answer::Records(Vec::new());
                let mut message = nothing.message(&question.name, question.kind);
                message.metadata.response_code = ResponseCode::ServFail;
                return Known::Said(message);
            }
            answer = match self.lookup(vpc, &target, question.kind) {
                Some(next) => next,
                None => return Known::LedOn(followed, target),
            };
        }
        let mut message = answer.message(&question.name, question.kind);
        message.answers.splice(0..0, followed);
        Known::Said(message)
    }

    fn lookup(&self, vpc: &str, name: &Name, kind: RecordType) -> Option<Answer> {
        let mut text = name.to_ascii().to_ascii_lowercase();
        if text.ends_with('.') {
            text.pop();
        }
        let asked = Asked {
            name,
            text: &text,
            kind: match kind {
                RecordType::ANY => RecordType::A,
                kind => kind,
            },
        };
        let mut sources = self.sources.iter();
        sources.find_map(|source| source.lookup(vpc, &asked))
    }

    /// What the host's servers say; at once that it failed when too much waits for them.
    async fn forwarded(&self, client: &Client, forwarded: &Forwarded, over: Transport) -> Vec<u8> {
        let asked = forwarded.asked();
        let reply = match self.pace.place(client) {
            Some(_place) => self.forwarder.ask(asked).await,
            None => asked.failed(ResponseCode::ServFail),
        };
        forwarded.finished(reply, over)
    }
}

impl Forwarded {
    /// What the host's servers are asked.
    fn asked(&self) -> &Question {
        match &self.followed {
            Some((_, asked)) => asked,
            None => &self.question,
        }
    }

    /// The answer, of what they reply.
    fn finished(&self, reply: Reply, over: Transport) -> Vec<u8> {
        let reply = match &self.followed {
            Some((records, _)) => reply
                .behind(&self.question, records)
                .unwrap_or_else(|| self.question.failed(ResponseCode::ServFail)),
            None => reply,
        };
        finished(&self.question, reply, over)
    }
}

/// The name that has what is asked for, when the answer is only that.
fn leads_to(answer: &Answer, asked: RecordType) -> Option<Name> {
    let Answer::Records(records) = answer else {
        return None;
    };
    match &records.last()?.data {
        RData::CNAME(target) if asked != RecordType::CNAME => Some(target.0.clone()),
        _ => None,
    }
}

fn finished(question: &Question, mut reply: Reply, over: Transport) -> Vec<u8> {
    if question.kind == RecordType::ANY {
        reply.only_first_type();
    }
    question.answer(reply, over)
}
