//! AWS's own host names. Those of services that are known here lead to us, so that a client without
//! an endpoint of its own reaches the API from a task
//! (<https://docs.aws.amazon.com/general/latest/gr/rande.html>).

use super::{Answer, Asked, Names, SharedTable, within};
use neargate_base::Region;
use std::collections::BTreeSet;

/// The hosts of the services that the table names.
#[derive(Debug)]
pub struct AwsHosts(pub SharedTable);

const ZONES: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "api.aws"];
/// Services with a host that names no region.
const GLOBAL: [&str; 4] = ["iam", "route53", "s3", "sts"];

impl Names for AwsHosts {
    fn lookup(&self, vpc: &str, asked: &Asked<'_>) -> Option<Answer> {
        let zone = ZONES
            .into_iter()
            .find(|zone| within(asked.text, zone).is_some())?;
        let host = within(asked.text, zone)?;
        let table = self.0.read();
        if !Served(table.aws_hosts()).has(host) {
            return None;
        }
        let address = table.vpc(vpc)?.resolver;
        Some(Answer::address(asked, address, zone))
    }
}

/// The services whose hosts lead to us, by the first labels of their names: `ecs`, `api.ecr`.
struct Served<'a>(&'a BTreeSet<String>);

impl Served<'_> {
    /// Is it a host of one? `host` is the name without its zone.
    fn has(&self, host: &str) -> bool {
        let knows = |prefix: &str| self.0.contains(prefix);
        if GLOBAL.contains(&host) {
            return knows(host);
        }
        // A bucket's name may have dots; what is behind it is S3's own host.
        if knows("s3") && host.split_once(".s3").is_some() {
            let s3 = host.rmatch_indices(".s3").next();
            if s3.is_some_and(|(at, _)| self.is_s3(&host[at + 1..])) {
                return true;
            }
        }
        let Some((service, region)) = host.rsplit_once('.') else {
            return self.is_s3(host);
        };
        if region.parse::<Region>().is_err() {
            return false;
        }
        let service = service.strip_suffix(".dualstack").unwrap_or(service);
        let service = service.strip_suffix("-fips").unwrap_or(service);
        let registry = service.strip_suffix(".dkr.ecr");
        let is_account = |id: &str| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
        registry.is_some_and(|account| is_account(account) && knows("api.ecr"))
            || (service == "data-servicediscovery" && knows("servicediscovery"))
            || knows(service)
    }

    /// `s3`, `s3.<region>`, `s3-<region>`, `s3.dualstack.<region>`.
    fn is_s3(&self, host: &str) -> bool {
        let Some(rest) = host.strip_prefix("s3") else {
            return false;
        };
        let rest = rest.strip_prefix(".dualstack").unwrap_or(rest);
        let region = rest.strip_prefix(['.', '-']);
        let is_region = |region: &str| region.parse::<Region>().is_ok();
        self.0.contains("s3") && (rest.is_empty() || region.is_some_and(is_region))
    }
}
