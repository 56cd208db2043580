//! Where names come from: sources, asked in order, of which the first that knows a name answers.
//! What none knows is the internet's.

mod aws;
mod hosted_zones;
mod interfaces;
mod load_balancers;
mod localhost;
mod reverse;
mod table;
#[cfg(test)]
pub(super) mod tests;

pub use aws::AwsHosts;
pub use hosted_zones::HostedZones;
pub use interfaces::Interfaces;
pub use load_balancers::LoadBalancerNames;
pub use localhost::Localhost;
pub use reverse::Reverse;
pub use table::{SharedTable, Table, Vpc};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A source of names.
pub trait Names: Debug + Send + Sync {
    /// What `vpc` is told. `None`: the source does not know the name, and another is asked.
    fn lookup(&self, vpc: &str, asked: &Asked<'_>) -> Option<Answer>;
}

/// A name that is looked up.
#[derive(Debug)]
pub struct Asked<'a> {
    /// As the client wrote it: what is found has this name.
    pub name: &'a Name,
    /// The same in lower case, without the dot at the end.
    pub text: &'a str,
    /// Never ANY: for that, addresses are looked up.
    pub kind: RecordType,
}

/// What a source says of a name that it knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Records(Vec<Record>),
    /// The name has no such records; with the SOA of its zone.
    NoData(Record),
    /// There is no such name; with the SOA of its zone.
    NoName(Record),
}

/// How long clients keep what they are told of interfaces, in seconds, as AWS says of private names.
pub(crate) const TTL: u32 = 60;

impl Answer {
    /// The name has this one address.
    fn address(asked: &Asked<'_>, address: Ipv4Addr, zone: &str) -> Answer {
        let record = |data| Record::from_rdata(asked.name.clone(), TTL, data);
        Answer::of_type(asked, RecordType::A, zone, || {
            record(RData::A(A::from(address)))
        })
    }

    /// The address has this one name.
    fn name(asked: &Asked<'_>, name: &str, zone: &str) -> Answer {
        Answer::of_type(asked, RecordType::PTR, zone, || {
            let name = RData::PTR(PTR(absolute(name)));
            Record::from_rdata(asked.name.clone(), TTL, name)
        })
    }

    fn of_type(
        asked: &Asked<'_>,
        kind: RecordType,
        zone: &str,
        record: impl FnOnce() -> Record,
    ) -> Answer {
        if asked.kind == kind {
            Answer::Records(vec![record()])
        } else {
            Answer::NoData(soa(zone))
        }
    }

    /// A zone's own name, which has no addresses.
    fn apex(asked: &Asked<'_>, zone: &str) -> Answer {
        Answer::of_type(asked, RecordType::SOA, zone, || {
            let mut soa = soa(zone);
            soa.name = asked.name.clone();
            soa
        })
    }

    pub(super) fn message(self, name: &Name, kind: RecordType) -> Message {
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.add_query(Query::query(name.clone(), kind));
        match self {
            Answer::Records(records) => {
                message.insert_answers(records);
            }
            Answer::NoData(soa) => {
                message.add_authority(soa);
            }
            Answer::NoName(soa) => {
                message.metadata.response_code = ResponseCode::NXDomain;
                message.add_authority(soa);
            }
        }
        message
    }
}

/// The SOA of a zone of ours, in the form of those of EC2's zones.
fn soa(zone: &str) -> Record {
    let data = SOA::new(
        absolute(&format!("ns0.{zone}")),
        absolute("hostmaster.amazon.com"),
        2_012_103_100,
        3_600,
        3_600,
        3_600,
        TTL,
    );
    Record::from_rdata(absolute(zone), TTL, RData::SOA(data))
}

fn absolute(name: &str) -> Name {
    let name = Name::from_str(name).map(|mut name| {
        name.set_fqdn(true);
        name
    });
    // Names of ours are short and of plain labels.
    name.unwrap_or_default()
}

/// Is the name this zone's own, or below it? Then what stands before it, without the dot.
fn within<'a>(text: &'a str, zone: &str) -> Option<&'a str> {
    match text.strip_suffix(zone)? {
        "" => Some(""),
        below => below.strip_suffix('.'),
    }
}
