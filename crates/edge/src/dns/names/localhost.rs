//! `localhost` and what is below it (RFC 6761, section 6.3): this very host, whoever asks.

use super::{Answer, Asked, Names, TTL, soa, within};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use std::net::{Ipv4Addr, Ipv6Addr};

/// See the module.
#[derive(Debug)]
pub struct Localhost;

impl Names for Localhost {
    fn lookup(&self, _: &str, asked: &Asked<'_>) -> Option<Answer> {
        within(asked.text, "localhost")?;
        let data = match asked.kind {
            RecordType::A => RData::A(A(Ipv4Addr::LOCALHOST)),
            RecordType::AAAA => RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)),
            _ => return Some(Answer::NoData(soa("localhost"))),
        };
        let record = Record::from_rdata(asked.name.clone(), TTL, data);
        Some(Answer::Records(vec![record]))
    }
}
