//! Hosted zones and record sets as Route 53 shows them. Route 53's operations write them, and Cloud Map
//! those of its namespaces: so that a namespace and its zone are made in one transaction. Resolvers are
//! told of all of them ([`neargate_domain::dns`]).
//!
//! Route 53 has one endpoint for all regions, so the keys have its region, see [`global`].

use crate::ctx::Scope;
use crate::db::{self, Db, Resource};
use crate::error::AwsError;
use crate::tags::Tags;
use neargate_base::{AccountId, Region, Rng, Timestamp};
use serde::{Deserialize, Serialize};

/// `route53/hosted-zone/<account>/<region>/Z…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedZone {
    /// As Route 53 writes names, see [`name`].
    pub name: String,
    pub caller_reference: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Those of a private zone; a public one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpcs: Option<Vec<ZoneVpc>>,
    /// The service that made the zone and keeps its records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_service: Option<LinkedService>,
    pub name_servers: Vec<String>,
    pub created_at: Timestamp,
    /// The change that is being carried out: no other is taken before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for HostedZone {
    const KIND: &'static str = "route53/hosted-zone";
}

/// A VPC that a private zone is associated with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneVpc {
    pub vpc_id: String,
    pub region: Region,
}

/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_LinkedService.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedService {
    pub service_principal: String,
    pub description: String,
}

/// `route53/record-set/<account>/<region>/<zone id>/<name, labels reversed>/<type>/<set identifier>`, in
/// the order in which Route 53 lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    pub name: String,
    /// AWS's word, such as `AAAA`.
    pub record_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_identifier: Option<String>,
    #[serde(default)]
    pub routing: Routing,
    pub data: RecordData,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_id: Option<String>,
    /// The service of Cloud Map that it is of (`srv-…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// Cloud Map was told that the instance it is of is unhealthy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unhealthy: bool,
}

impl Resource for RecordSet {
    const KIND: &'static str = "route53/record-set";
}

/// `route53/health-status/…/<id>`: how a health check finds its endpoint. Route 53's checker
/// writes it when it changes; without it, it is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthStatus {
    pub healthy: bool,
    pub since: Timestamp,
    /// As `GetHealthCheckLastFailureReason` says it; empty before the first failure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_failure: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
}

impl Resource for HealthStatus {
    const KIND: &'static str = "route53/health-status";
}

/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    #[default]
    Simple,
    Weighted(u8),
    Multivalue,
    Latency(String),
    Failover {
        is_primary: bool,
    },
    /// AWS's codes; a country `*` is everywhere else.
    Geolocation {
        continent: Option<String>,
        country: Option<String>,
        subdivision: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordData {
    Records {
        ttl: u32,
        values: Vec<String>,
    },
    Alias {
        hosted_zone_id: String,
        dns_name: String,
        evaluate_target_health: bool,
    },
}

/// Where Route 53 keeps an account's zones.
pub fn global(account: &AccountId) -> Scope {
    Scope {
        account: account.clone(),
        region: Region::default(),
    }
}

/// A domain name as Route 53 writes it: in lower case, with a dot at the end, what is neither letter,
/// digit, hyphen nor underscore as `\ooo`
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>).
pub fn name(given: &str) -> String {
    let mut name = String::with_capacity(given.len() + 1);
    let mut rest = given.bytes().peekable();
    while let Some(byte) = rest.next() {
        let code: Vec<u8> = match byte {
            b'\\' => rest.clone().take(3).collect(),
            _ => Vec::new(),
        };
        let code = std::str::from_utf8(&code).unwrap_or_default();
        let code = (code.len() == 3).then(|| u8::from_str_radix(code, 8).ok());
        let byte = match code.flatten() {
            Some(byte) => {
                rest.nth(2);
                byte
            }
            None => byte,
        };
        match byte.to_ascii_lowercase() {
            plain @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.') => name.push(plain.into()),
            other => name.push_str(&format!("\\{other:03o}")),
        }
    }
    if !name.ends_with('.') {
        name.push('.');
    }
    name
}

/// The name as resolvers compare it: without the dot at the end, an asterisk as such.
pub fn told(name: &str) -> String {
    name.trim_end_matches('.').replace("\\052", "*")
}

/// The labels of a name from the last to the first: the order of Route 53's lists.
pub fn reversed(name: &str) -> String {
    let mut reversed = String::with_capacity(name.len());
    for label in name.trim_end_matches('.').rsplit('.') {
        reversed.push_str(label);
        reversed.push('.');
    }
    reversed
}

pub fn zone_key(account: &AccountId, zone_id: &str) -> String {
    db::key::<HostedZone>(&global(account), zone_id)
}

/// What the keys of all record sets of a zone begin with.
pub fn records_of(account: &AccountId, zone_id: &str) -> String {
    format!("{}{zone_id}/", db::prefix::<RecordSet>(&global(account)))
}

/// The private zone of this name that a VPC is associated with already: there may be one.
///
/// # Errors
/// The store's.
pub async fn zone_of_vpc(db: &Db, name: &str, vpc_id: &str) -> Result<Option<String>, AwsError> {
    let all = db
        .list_prefix::<HostedZone>(&format!("{}/", HostedZone::KIND))
        .await?;
    let has_vpc = |zone: &HostedZone| zone.vpcs.iter().flatten().any(|vpc| vpc.vpc_id == vpc_id);
    let there = all.iter().find(|zone| zone.name == name && has_vpc(zone));
    Ok(there.map(|zone| zone.id().to_owned()))
}

impl RecordSet {
    /// One that is chosen by no policy.
    pub fn simple(name: &str, record_type: &str, ttl: u32, values: Vec<String>) -> RecordSet {
        RecordSet {
            name: name.to_owned(),
            record_type: record_type.to_owned(),
            set_identifier: None,
            routing: Routing::Simple,
            data: RecordData::Records { ttl, values },
            health_check_id: None,
            service_id: None,
            unhealthy: false,
        }
    }

    pub fn key(&self, account: &AccountId, zone_id: &str) -> String {
        // A set identifier may be any text: in hexadecimal digits it keeps its order.
        let set = hex::encode(self.set_identifier.as_deref().unwrap_or_default());
        let zone = records_of(account, zone_id);
        format!("{zone}{}/{}/{set}", reversed(&self.name), self.record_type)
    }
}

/// The TTL of the NS records of a zone's own name, and of its SOA record unless it is asked for.
const NS_TTL: u32 = 172_800;
pub const SOA_TTL: u32 = 900;

impl HostedZone {
    /// An id for a new zone.
    pub fn new_id(rng: &Rng) -> String {
        const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let letter = |_| char::from(LETTERS[usize::try_from(rng.below(36)).unwrap_or(0)]);
        format!("Z0{}", (0..18).map(letter).collect::<String>())
    }

    /// The name servers that a zone of this id is said to have. A private zone's are those of VPCs.
    pub fn servers(zone_id: &str, is_private: bool) -> Vec<String> {
        if is_private {
            let of =
                |(n, zone): (usize, &str)| format!("ns-{}.awsdns-{:02}.{zone}", n * 512, n * 16);
            let zones = ["com", "net", "org", "co.uk"];
            return [(0, zones[3]), (1, zones[0]), (2, zones[2]), (3, zones[1])]
                .map(of)
                .to_vec();
        }
        let seed: usize = zone_id.bytes().map(usize::from).sum();
        let zones = ["com", "net", "org", "co.uk"];
        let of = |(n, zone): (usize, &str)| {
            let host = n * 512 + seed * 37 % 512;
            format!("ns-{host}.awsdns-{:02}.{zone}", host / 8 % 64)
        };
        zones.into_iter().enumerate().map(of).collect()
    }

    pub fn is_private(&self) -> bool {
        self.vpcs.is_some()
    }

    /// The records that every zone has from its beginning.
    pub fn first_records(&self, soa_ttl: u32) -> [RecordSet; 2] {
        let absolute = |server: &String| format!("{server}.");
        let first = self.name_servers.first().map(absolute).unwrap_or_default();
        let soa = format!("{first} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400");
        [
            RecordSet::simple(
                &self.name,
                "NS",
                NS_TTL,
                self.name_servers.iter().map(absolute).collect(),
            ),
            RecordSet::simple(&self.name, "SOA", soa_ttl, vec![soa]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_route_53_does() {
        assert_eq!(name("Example.COM"), "example.com.");
        assert_eq!(name("*.example.com."), "\\052.example.com.");
        assert_eq!(name("\\052.example.com"), "\\052.example.com.");
        assert_eq!(name("a b"), "a\\040b.");
        assert_eq!(told("\\052.example.com."), "*.example.com");
        assert_eq!(reversed("www.example.com."), "com.example.www.");
    }

    #[test]
    fn keys_are_in_the_order_of_lists() {
        let account: AccountId = "000000000000".parse().unwrap();
        let key = |name: &str, record_type: &str| {
            RecordSet::simple(name, record_type, 1, Vec::new()).key(&account, "Z1")
        };
        let keys = [
            key("example.com.", "A"),
            key("example.com.", "NS"),
            key("\\052.example.com.", "A"),
            key("a.example.com.", "A"),
            key("b.a.example.com.", "A"),
            key("b.example.com.", "A"),
        ];
        let mut sorted = keys.clone();
        sorted.sort();
        assert_eq!(sorted, keys);
    }

    #[test]
    fn stored_forms() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        crate::golden::check::<HostedZone>(dir);
        crate::golden::check::<RecordSet>(dir);
    }
}
