//! VPC endpoints, and what else leads out of a VPC.

use super::*;

impl Place {
    async fn endpoint(
        &self,
        input: api::CreateVpcEndpointInput,
    ) -> Result<api::VpcEndpoint, AwsError> {
        let made = self.call(ops::CreateVpcEndpoint, input).await?;
        Ok(made.vpc_endpoint.unwrap())
    }

    async fn delete_endpoint(&self, id: &str) -> Vec<api::UnsuccessfulItem> {
        let input = api::DeleteVpcEndpointsInput {
            vpc_endpoint_ids: vec![id.into()],
            dry_run: None,
        };
        let out = self.call(ops::DeleteVpcEndpoints, input).await.unwrap();
        out.unsuccessful.unwrap()
    }
}

fn to(vpc: &str, service: &str) -> api::CreateVpcEndpointInput {
    api::CreateVpcEndpointInput {
        vpc_id: vpc.into(),
        service_name: Some(format!("com.amazonaws.us-east-1.{service}")),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_gateway_endpoint_is_a_route() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let table = p
        .tables("vpc-id", &vpc)
        .await
        .remove(0)
        .route_table_id
        .unwrap();
    let s3 = || api::CreateVpcEndpointInput {
        route_table_ids: ids(&table),
        ..to(&vpc, "s3")
    };
    let made = p.endpoint(s3()).await.unwrap();
    assert_eq!(made.vpc_endpoint_type.as_deref(), Some("Gateway"));
    assert!(made.policy_document.unwrap().contains("2008-10-17"));
    let id = made.vpc_endpoint_id.unwrap();
    refused_as(p.endpoint(s3()).await, "RouteAlreadyExists");
    let routed = p.tables("route.gateway-id", &id).await;
    assert_eq!(routed[0].route_table_id.as_ref(), Some(&table));
    refused_as(p.delete_vpc(&vpc).await, "DependencyViolation");
    let modify = api::ModifyVpcEndpointInput {
        vpc_endpoint_id: id.clone(),
        remove_route_table_ids: ids(&table),
        policy_document: some("{\"Statement\":[]}"),
        ..Default::default()
    };
    p.call(ops::ModifyVpcEndpoint, modify.clone())
        .await
        .unwrap();
    assert_eq!(p.tables("route.gateway-id", &id).await, vec![]);
    let bad = api::ModifyVpcEndpointInput {
        policy_document: some("{}"),
        ..modify
    };
    refused_as(
        p.call(ops::ModifyVpcEndpoint, bad).await,
        "InvalidPolicyDocument",
    );
    assert_eq!(p.delete_endpoint(&id).await, vec![]);
    let again = p.delete_endpoint(&id).await.remove(0).error.unwrap();
    assert_eq!(again.code.as_deref(), Some("InvalidVpcEndpointId.NotFound"));
    p.delete_vpc(&vpc).await.unwrap();
}

#[tokio::test]
async fn an_interface_endpoint_has_interfaces() {
    let p = place();
    let subnets: Vec<_> = p.first.subnets.iter().map(|s| s.id.clone()).collect();
    let logs = || api::CreateVpcEndpointInput {
        vpc_endpoint_type: some("Interface"),
        subnet_ids: Some(subnets[..2].to_vec()),
        client_token: some("once"),
        ..to(&p.first.vpc_id, "logs")
    };
    let made = p.endpoint(logs()).await.unwrap();
    assert_eq!(made.private_dns_enabled, Some(true));
    let interfaces = made.network_interface_ids.unwrap();
    assert_eq!(interfaces.len(), 2);
    let groups = made.groups.unwrap();
    assert_eq!(
        groups[0].group_id.as_ref(),
        Some(&p.first.security_group_id)
    );
    let id = made.vpc_endpoint_id.unwrap();
    let again = p.endpoint(logs()).await.unwrap();
    assert_eq!(again.vpc_endpoint_id.as_ref(), Some(&id));
    let second = api::CreateVpcEndpointInput {
        client_token: None,
        ..logs()
    };
    refused_as(p.endpoint(second).await, "InvalidParameter");
    let shown = api::DescribeNetworkInterfacesInput {
        filters: filter("interface-type", &["vpc_endpoint"]),
        ..Default::default()
    };
    let shown = p.call(ops::DescribeNetworkInterfaces, shown).await.unwrap();
    let shown = shown.network_interfaces.unwrap();
    assert_eq!(shown.len(), 2);
    assert_eq!(
        shown[0].description,
        Some(format!("VPC Endpoint Interface {id}"))
    );
    let same_zone = api::ModifyVpcEndpointInput {
        vpc_endpoint_id: id.clone(),
        add_subnet_ids: ids(&subnets[1]),
        ..Default::default()
    };
    refused_as(
        p.call(ops::ModifyVpcEndpoint, same_zone).await,
        "DuplicateSubnetsInSameZone",
    );
    let web = p.group(&p.first.vpc_id, "web").await;
    let modify = api::ModifyVpcEndpointInput {
        vpc_endpoint_id: id.clone(),
        add_subnet_ids: ids(&subnets[2]),
        remove_subnet_ids: ids(&subnets[0]),
        add_security_group_ids: ids(&web),
        remove_security_group_ids: ids(&p.first.security_group_id),
        ..Default::default()
    };
    p.call(ops::ModifyVpcEndpoint, modify).await.unwrap();
    let shown = api::DescribeNetworkInterfacesInput {
        filters: filter("group-id", &[&web]),
        ..Default::default()
    };
    let shown = p.call(ops::DescribeNetworkInterfaces, shown).await.unwrap();
    assert_eq!(shown.network_interfaces.unwrap().len(), 2);
    p.delete_subnet(&subnets[0]).await.unwrap();
    refused_as(p.delete_subnet(&subnets[1]).await, "DependencyViolation");
    assert_eq!(p.delete_endpoint(&id).await, vec![]);
    p.delete_subnet(&subnets[1]).await.unwrap();
}

#[tokio::test]
async fn endpoints_that_are_refused() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    refused(
        p.endpoint(to(&vpc, "nothing")).await,
        "InvalidServiceName",
        "The Vpc Endpoint Service 'com.amazonaws.us-east-1.nothing' does not exist",
    );
    refused(
        p.endpoint(to(&vpc, "logs")).await,
        "InvalidParameter",
        "Endpoint type (Gateway) does not match available service types ([Interface]).",
    );
    let private = api::CreateVpcEndpointInput {
        vpc_endpoint_type: some("Interface"),
        ..to(&vpc, "logs")
    };
    let refusal = p.endpoint(private).await.unwrap_err();
    assert!(
        refusal
            .message
            .starts_with("Enabling private DNS requires both")
    );
    let services = api::DescribeVpcEndpointServicesInput {
        filters: filter("service-type", &["Gateway"]),
        ..Default::default()
    };
    let services = p
        .call(ops::DescribeVpcEndpointServices, services)
        .await
        .unwrap();
    assert_eq!(
        services.service_names.unwrap(),
        [
            "com.amazonaws.us-east-1.dynamodb",
            "com.amazonaws.us-east-1.s3"
        ]
    );
}

#[tokio::test]
async fn egress_only_gateways_and_vpns() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let input = api::CreateEgressOnlyInternetGatewayInput {
        vpc_id: vpc.clone(),
        tag_specifications: specification("egress-only-internet-gateway", &[("k", "v")]),
        ..Default::default()
    };
    let made = p
        .call(ops::CreateEgressOnlyInternetGateway, input)
        .await
        .unwrap();
    let id = made
        .egress_only_internet_gateway
        .unwrap()
        .egress_only_internet_gateway_id
        .unwrap();
    let shown = api::DescribeEgressOnlyInternetGatewaysInput {
        filters: filter("tag:k", &["v"]),
        ..Default::default()
    };
    let shown = p
        .call(ops::DescribeEgressOnlyInternetGateways, shown)
        .await
        .unwrap();
    assert_eq!(shown.egress_only_internet_gateways.unwrap().len(), 1);
    refused_as(p.delete_vpc(&vpc).await, "DependencyViolation");
    let delete = api::DeleteEgressOnlyInternetGatewayInput {
        egress_only_internet_gateway_id: id,
        dry_run: None,
    };
    p.call(ops::DeleteEgressOnlyInternetGateway, delete)
        .await
        .unwrap();
    p.delete_vpc(&vpc).await.unwrap();

    let gateways = |name: &str| {
        let input = api::DescribeVpnGatewaysInput {
            filters: filter(name, &["x"]),
            ..Default::default()
        };
        p.call(ops::DescribeVpnGateways, input)
    };
    let none = gateways("attachment.vpc-id").await.unwrap();
    assert_eq!(none.vpn_gateways, Some(vec![]));
    refused_as(gateways("nonsense").await, "InvalidParameterValue");
    let named = api::DescribeCustomerGatewaysInput {
        customer_gateway_ids: ids("cgw-1"),
        ..Default::default()
    };
    refused_as(
        p.call(ops::DescribeCustomerGateways, named).await,
        "InvalidCustomerGatewayID.NotFound",
    );
}
