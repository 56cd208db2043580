//! Amazon Route 53: hosted zones and their record sets ([`neargate_service::dns`]), which resolvers are
//! told of ([`zones`]).

mod api;
mod batch;
mod carry;
mod error;
mod health;
mod model;
#[cfg(test)]
mod tests;
mod values;
pub mod zones;

use carry::Carrier;
use health::Checks;
use neargate_api_route53::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;
use zones::Zones;

/// Route 53's handlers share what resolvers were told.
#[derive(Debug, Default)]
pub struct Route53 {
    pub zones: Arc<Zones>,
    checks: Arc<Checks>,
}

impl Component for Route53 {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{
            changes, health_checks as checks, limits, record_sets, tags, test_answer, vpcs, zones,
        };
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .partly(ops::CreateHostedZone, zones::create_hosted_zone, NO_SETS)
            .on(ops::DeleteHostedZone, zones::delete_hosted_zone)
            .on(ops::GetHostedZone, zones::get_hosted_zone)
            .on(ops::GetHostedZoneCount, zones::get_hosted_zone_count)
            .on(ops::ListHostedZones, zones::list_hosted_zones)
            .on(ops::ListHostedZonesByName, zones::list_hosted_zones_by_name)
            .on(ops::ListHostedZonesByVPC, zones::list_hosted_zones_by_vpc)
            .on(ops::UpdateHostedZoneComment, zones::update_hosted_zone_comment)
            .partly(
                ops::AssociateVPCWithHostedZone,
                vpcs::associate_vpc_with_hosted_zone,
                "VPCs of the zone's own account",
            )
            .on(
                ops::DisassociateVPCFromHostedZone,
                vpcs::disassociate_vpc_from_hosted_zone,
            )
            .partly(
                ops::ChangeResourceRecordSets,
                record_sets::change_resource_record_sets,
                UNBUILT,
            )
            .on(ops::ListResourceRecordSets, record_sets::list_resource_record_sets)
            .on(ops::GetChange, changes::get_change)
            .partly(
                ops::TestDNSAnswer,
                test_answer::test_dns_answer,
                "aliases to load balancers answer NXDOMAIN here, and mean their addresses in the DNS; \
                 of a choice by weight, region or place it answers the first",
            )
            .on(ops::ChangeTagsForResource, tags::change_tags_for_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource)
            .on(ops::ListTagsForResources, tags::list_tags_for_resources)
            .partly(ops::CreateHealthCheck, checks::create_health_check, CHECKED)
            .partly(ops::UpdateHealthCheck, checks::update_health_check, CHECKED)
            .on(ops::DeleteHealthCheck, checks::delete_health_check)
            .on(ops::GetHealthCheck, checks::get_health_check)
            .on(ops::GetHealthCheckCount, checks::get_health_check_count)
            .on(ops::ListHealthChecks, checks::list_health_checks)
            .on(ops::GetHealthCheckStatus, checks::get_health_check_status)
            .on(
                ops::GetHealthCheckLastFailureReason,
                checks::get_health_check_last_failure_reason,
            )
            .on(ops::GetAccountLimit, limits::get_account_limit)
            .on(ops::GetHostedZoneLimit, limits::get_hosted_zone_limit);
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(Carrier {
            house: house.clone(),
        });
        background.spawn("health-checks", self.checks.clone().run(house.clone()));
        background.spawn("hosted-zones", self.zones.clone().follow(house));
    }
}

const NO_SETS: &str = "no reusable delegation sets: such a call is refused. The name servers of a public \
                       zone are names only, the resolvers of VPCs answer for it";
const UNBUILT: &str = "no traffic policies, CIDR and geoproximity routing: such changes are \
                       refused. Where an asker is nobody knows: geolocation answers the default place, \
                       latency the region of the VPC";
const CHECKED: &str = "health checks of the types HTTP, HTTPS, their STR_MATCH, TCP and CALCULATED, asked by this host alone; \
                       others are refused";
