//! The names that services of this installation give to load balancers, such as the endpoints of Express services:
//! aliases in hosted zones that belong to no customer.

use crate::hosts_file::Aliases;
use neargate_service::dns::{self, RecordData, RecordSet};
use neargate_service::{House, db, managed};

/// By the name of a load balancer. A name is written before the rule that leads it to its service, and taken back
/// before the rule is deleted: whoever asks after each change of a load balancer misses none.
pub(super) async fn of_services(house: &House) -> Aliases {
    let prefix = db::prefix::<RecordSet>(&dns::global(&managed::account()));
    let all = house.db.list_prefix::<RecordSet>(&prefix).await;
    let all = all.unwrap_or_else(|error| {
        tracing::warn!(%error, "names of services cannot be read");
        Vec::new()
    });
    let mut aliases = Aliases::new();
    for record in all {
        if let RecordData::Alias { dns_name, .. } = &record.data {
            let of: &mut Vec<String> = aliases.entry(dns::told(dns_name)).or_default();
            of.push(dns::told(&record.name));
        }
    }
    aliases
}
