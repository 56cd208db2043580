//! The services that VPC endpoints lead to.

use super::text;
use crate::Ec2;
use crate::error::link as say;
use crate::kind::{self, Kind};
use crate::plan::endpoint_services::{self as services, EndpointService};
use crate::query::{Describe, Query, each, one};
use neargate_api_ec2 as api;
use neargate_service::vpc::EndpointKind;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_vpc_endpoint_services(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeVpcEndpointServicesInput,
) -> Result<api::DescribeVpcEndpointServicesOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        None,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let mut all = services::all(&cx.scope.region);
    let names = input.service_names.unwrap_or_default();
    if let Some(unknown) = names.iter().find(|n| !all.iter().any(|s| s.name == **n)) {
        return Err(say::no_such_service(unknown));
    }
    all.retain(|s| names.is_empty() || names.contains(&s.name));
    let found = query.run(all.iter().map(|s| detail(&cx, s)).collect())?;
    let mut names: Vec<_> = found
        .items
        .iter()
        .filter_map(|s| s.service_name.clone())
        .collect();
    names.dedup();
    Ok(api::DescribeVpcEndpointServicesOutput {
        service_names: Some(names),
        service_details: Some(found.items),
        next_token: found.next_token,
    })
}

fn detail(cx: &Ctx, service: &EndpointService) -> api::ServiceDetail {
    let region = &cx.scope.region;
    let is_interface = service.kind == EndpointKind::Interface;
    let private = service
        .dns_name
        .as_ref()
        .map(|name| api::PrivateDnsDetails {
            private_dns_name: text(name),
        });
    api::ServiceDetail {
        service_name: text(&service.name),
        service_type: Some(vec![api::ServiceTypeDetail {
            service_type: text(service.kind.as_str()),
        }]),
        service_region: text(region.as_str()),
        availability_zones: Some(region.zones().to_vec()),
        owner: text("amazon"),
        private_dns_name: service.dns_name.clone(),
        private_dns_names: Some(private.into_iter().collect()),
        private_dns_name_verification_state: is_interface.then(|| "verified".to_owned()),
        vpc_endpoint_policy_supported: Some(true),
        acceptance_required: Some(false),
        manages_vpc_endpoints: Some(false),
        supported_ip_address_types: Some(vec!["ipv4".to_owned()]),
        tags: Some(vec![]),
        ..Default::default()
    }
}

impl Describe for api::ServiceDetail {
    const KIND: Kind = kind::ENDPOINT;

    fn id(&self) -> &str {
        self.service_name.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "owner" => one(&self.owner),
            "service-name" => one(&self.service_name),
            "service-region" => one(&self.service_region),
            "service-type" => each(&self.service_type, |t| t.service_type.clone()),
            "supported-ip-address-types" => {
                each(&self.supported_ip_address_types, |t| Some(t.clone()))
            }
            _ => None,
        }
    }
}
