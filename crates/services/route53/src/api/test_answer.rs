//! What Route 53 would answer
//! (<https://docs.aws.amazon.com/Route53/latest/APIReference/API_TestDNSAnswer.html>).

use super::zone;
use crate::{Route53, error, values};
use neargate_api_route53 as api;
use neargate_service::dns::{self, HostedZone, RecordData, RecordSet, Routing};
use neargate_service::{AwsError, Ctx, Stored};
use std::sync::Arc;

/// How far an alias leads on.
const ALIASES: usize = 8;
const MOST_VALUES: usize = 8;

pub async fn test_dns_answer(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::TestDNSAnswerInput,
) -> Result<api::TestDNSAnswerOutput, AwsError> {
    let found = zone(&cx, &input.hosted_zone_id).await?;
    let name = dns::name(&input.record_name);
    let is_within = name == found.name || name.ends_with(&format!(".{}", found.name));
    if !is_within || !values::is_domain_name(&input.record_name) {
        return Err(error::invalid_input(format!(
            "The record name {name} is not in the hosted zone {}.",
            found.name
        )));
    }
    let (code, data) = answer(&cx, &found, &name, &input.record_type).await?;
    Ok(api::TestDNSAnswerOutput {
        nameserver: found.name_servers.first().cloned(),
        record_name: Some(name.trim_end_matches('.').to_owned()),
        record_type: Some(input.record_type),
        record_data: Some(data),
        response_code: Some(code.to_owned()),
        protocol: Some("UDP".to_owned()),
    })
}

async fn answer(
    cx: &Ctx,
    zone: &Stored<HostedZone>,
    name: &str,
    record_type: &str,
) -> Result<(&'static str, Vec<String>), AwsError> {
    let mut name = name.to_owned();
    for _ in 0..ALIASES {
        let Some(sets) = sets(cx, zone, &name).await? else {
            return Ok(("NXDOMAIN", Vec::new()));
        };
        let of_type = |wanted: &str| {
            let sets = sets.iter().filter(|set| set.record_type == wanted);
            choose(&sets.map(|set| &set.value).collect::<Vec<_>>())
        };
        let mut chosen = of_type(record_type);
        if chosen.is_empty() {
            chosen = of_type("CNAME");
        }
        let mut data = Vec::new();
        let mut target = None;
        for set in chosen {
            match &set.data {
                RecordData::Records { values, .. } => data.extend(values.iter().cloned()),
                RecordData::Alias { dns_name, .. } => target = Some(dns_name.clone()),
            }
        }
        match target {
            Some(target) => name = target,
            None => return Ok(("NOERROR", data)),
        }
    }
    Ok(("NOERROR", Vec::new()))
}

/// The name's record sets, or those of the asterisk that stands for it. `None`: there is no such name.
async fn sets(
    cx: &Ctx,
    zone: &Stored<HostedZone>,
    name: &str,
) -> Result<Option<Vec<Stored<RecordSet>>>, AwsError> {
    let of_zone = dns::records_of(&cx.scope.account, zone.id());
    let mut at = name.to_owned();
    let mut is_asked = true;
    loop {
        let prefix = format!("{of_zone}{}", dns::reversed(&at));
        let own = cx
            .db()
            .list_prefix::<RecordSet>(&format!("{prefix}/"))
            .await?;
        if is_asked && !own.is_empty() {
            return Ok(Some(own));
        }
        let below = cx.db().list_prefix::<RecordSet>(&prefix).await?;
        if !below.is_empty() {
            if is_asked {
                return Ok(Some(Vec::new()));
            }
            let asterisk = format!("{prefix}\\052./");
            let stands = cx.db().list_prefix::<RecordSet>(&asterisk).await?;
            return Ok(Some(stands).filter(|sets| !sets.is_empty()));
        }
        is_asked = false;
        match at.split_once('.') {
            Some((_, rest)) if !rest.is_empty() => at = rest.to_owned(),
            _ => return Ok(None),
        }
    }
}

fn choose<'a>(sets: &[&'a RecordSet]) -> Vec<&'a RecordSet> {
    let healthy: Vec<&RecordSet> = sets.iter().copied().filter(|set| !set.unhealthy).collect();
    let sets = if healthy.is_empty() { sets } else { &healthy };
    let first = |is_it: &dyn Fn(&Routing) -> bool| {
        let found = sets.iter().copied().find(|set| is_it(&set.routing));
        found.into_iter().collect()
    };
    match sets.first().map(|set| &set.routing) {
        None => Vec::new(),
        Some(Routing::Simple) => sets.to_vec(),
        Some(Routing::Multivalue) => sets.iter().copied().take(MOST_VALUES).collect(),
        Some(Routing::Weighted(_)) => first(&|r| matches!(r, Routing::Weighted(n) if *n > 0)),
        Some(Routing::Failover { .. }) => {
            let primary: Vec<_> = first(&|r| matches!(r, Routing::Failover { is_primary: true }));
            if primary.is_empty() {
                first(&|_| true)
            } else {
                primary
            }
        }
        Some(Routing::Latency(_)) => first(&|_| true),
        Some(Routing::Geolocation { .. }) => {
            first(&|r| matches!(r, Routing::Geolocation { country: Some(c), .. } if c == "*"))
        }
    }
}
