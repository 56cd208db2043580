//! What connects a VPC with a network elsewhere: there is none, and calls that look for some find
//! none. The CDK looks for the VPN gateway of every VPC that it imports.

use crate::Ec2;
use crate::kind::{self, Kind};
use crate::query::{Describe, Query, none};
use neargate_api_ec2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_vpn_gateways(
    _: Arc<Ec2>,
    _: Ctx,
    input: api::DescribeVpnGatewaysInput,
) -> Result<api::DescribeVpnGatewaysOutput, AwsError> {
    let ids = input.vpn_gateway_ids;
    let query = Query::new(input.dry_run, ids, input.filters, None, None)?;
    Ok(api::DescribeVpnGatewaysOutput {
        vpn_gateways: Some(query.run(Vec::new())?.items),
    })
}

pub async fn describe_vpn_connections(
    _: Arc<Ec2>,
    _: Ctx,
    input: api::DescribeVpnConnectionsInput,
) -> Result<api::DescribeVpnConnectionsOutput, AwsError> {
    let ids = input.vpn_connection_ids;
    let query = Query::new(input.dry_run, ids, input.filters, None, None)?;
    Ok(api::DescribeVpnConnectionsOutput {
        vpn_connections: Some(query.run(Vec::new())?.items),
    })
}

pub async fn describe_customer_gateways(
    _: Arc<Ec2>,
    _: Ctx,
    input: api::DescribeCustomerGatewaysInput,
) -> Result<api::DescribeCustomerGatewaysOutput, AwsError> {
    let ids = input.customer_gateway_ids;
    let query = Query::new(input.dry_run, ids, input.filters, None, None)?;
    Ok(api::DescribeCustomerGatewaysOutput {
        customer_gateways: Some(query.run(Vec::new())?.items),
    })
}

impl Describe for api::VpnGateway {
    const KIND: Kind = kind::VPN_GATEWAY;

    fn id(&self) -> &str {
        self.vpn_gateway_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "amazon-side-asn" | "attachment.state" | "attachment.vpc-id" | "availability-zone"
            | "state" | "type" | "vpn-gateway-id" => none(),
            _ => None,
        }
    }
}

impl Describe for api::VpnConnection {
    const KIND: Kind = kind::VPN_CONNECTION;

    fn id(&self) -> &str {
        self.vpn_connection_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "customer-gateway-configuration"
            | "customer-gateway-id"
            | "state"
            | "option.static-routes-only"
            | "route.destination-cidr-block"
            | "bgp-asn"
            | "type"
            | "vpn-connection-id"
            | "vpn-gateway-id"
            | "transit-gateway-id" => none(),
            _ => None,
        }
    }
}

impl Describe for api::CustomerGateway {
    const KIND: Kind = kind::CUSTOMER_GATEWAY;

    fn id(&self) -> &str {
        self.customer_gateway_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "bgp-asn" | "customer-gateway-id" | "ip-address" | "state" | "type" => none(),
            _ => None,
        }
    }
}
