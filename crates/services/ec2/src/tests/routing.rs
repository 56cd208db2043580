//! Route tables, routes, internet and NAT gateways.

use super::*;

impl Place {
    async fn table(&self, vpc: &str) -> String {
        let input = api::CreateRouteTableInput {
            vpc_id: vpc.into(),
            ..Default::default()
        };
        let made = self.call(ops::CreateRouteTable, input).await.unwrap();
        made.route_table.unwrap().route_table_id.unwrap()
    }

    async fn route(&self, table: &str, to: &str, gateway: &str) -> Result<(), AwsError> {
        let input = api::CreateRouteInput {
            route_table_id: table.into(),
            destination_cidr_block: some(to),
            gateway_id: some(gateway),
            ..Default::default()
        };
        self.call(ops::CreateRoute, input).await.map(|_| ())
    }

    async fn unroute(&self, table: &str, to: &str) -> Result<(), AwsError> {
        let input = api::DeleteRouteInput {
            route_table_id: table.into(),
            destination_cidr_block: some(to),
            ..Default::default()
        };
        self.call(ops::DeleteRoute, input).await.map(|_| ())
    }

    async fn associate(&self, table: &str, subnet: &str) -> Result<String, AwsError> {
        let input = api::AssociateRouteTableInput {
            route_table_id: table.into(),
            subnet_id: some(subnet),
            ..Default::default()
        };
        let made = self.call(ops::AssociateRouteTable, input).await?;
        Ok(made.association_id.unwrap())
    }

    async fn delete_table(&self, table: &str) -> Result<(), AwsError> {
        let input = api::DeleteRouteTableInput {
            route_table_id: table.into(),
            dry_run: None,
        };
        self.call(ops::DeleteRouteTable, input).await.map(|_| ())
    }

    async fn detach(&self, gateway: &str, vpc: &str) -> Result<(), AwsError> {
        let input = api::DetachInternetGatewayInput {
            internet_gateway_id: gateway.into(),
            vpc_id: vpc.into(),
            dry_run: None,
        };
        self.call(ops::DetachInternetGateway, input)
            .await
            .map(|_| ())
    }
}

#[tokio::test]
async fn the_default_vpcs_routes() {
    let p = place();
    let tables = p.tables("association.main", "true").await;
    let routes = tables[0].routes.clone().unwrap();
    let gateways: Vec<_> = routes.into_iter().filter_map(|r| r.gateway_id).collect();
    assert_eq!(gateways, ["local", &p.first.internet_gateway_id]);
    let attached = api::DescribeInternetGatewaysInput {
        filters: filter("attachment.vpc-id", &[&p.first.vpc_id]),
        ..Default::default()
    };
    let found = p
        .call(ops::DescribeInternetGateways, attached)
        .await
        .unwrap();
    assert_eq!(found.internet_gateways.unwrap().len(), 1);
}

#[tokio::test]
async fn routes_come_change_and_go() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let (table, gateway) = (p.table(&vpc).await, p.gateway(None).await);
    refused_as(
        p.route(&table, "0.0.0.0/0", &gateway).await,
        "InvalidParameterValue",
    );
    p.attach(&gateway, &vpc).await.unwrap();
    p.route(&table, "0.0.0.0/0", &gateway).await.unwrap();
    refused(
        p.route(&table, "0.0.0.0/0", &gateway).await,
        "RouteAlreadyExists",
        "The route identified by 0.0.0.0/0 already exists.",
    );
    refused_as(
        p.route(&table, "10.0.0.0/16", &gateway).await,
        "RouteAlreadyExists",
    );
    let within = p.route(&table, "10.0.1.0/24", &gateway).await.unwrap_err();
    assert!(within.message.contains("equal to or more specific than"));
    refused(
        p.route(&table, "192.0.2.0/24", "igw-1").await,
        "InvalidGatewayID.NotFound",
        "The gateway ID 'igw-1' does not exist",
    );
    let ipv6 = api::CreateRouteInput {
        route_table_id: table.clone(),
        destination_ipv6_cidr_block: some("::/0"),
        gateway_id: some(&gateway),
        ..Default::default()
    };
    refused_as(p.call(ops::CreateRoute, ipv6).await, "UnsupportedOperation");
    let replace = |to: &str| {
        let input = api::ReplaceRouteInput {
            route_table_id: table.clone(),
            destination_cidr_block: some(to),
            gateway_id: some(&gateway),
            ..Default::default()
        };
        p.call(ops::ReplaceRoute, input)
    };
    replace("0.0.0.0/0").await.unwrap();
    refused_as(replace("192.0.2.0/24").await, "InvalidParameterValue");

    // A gateway that is gone leaves a black hole.
    p.detach(&gateway, &vpc).await.unwrap();
    assert_eq!(p.tables("route.state", "blackhole").await.len(), 1);
    p.unroute(&table, "0.0.0.0/0").await.unwrap();
    refused(
        p.unroute(&table, "0.0.0.0/0").await,
        "InvalidRoute.NotFound",
        &format!("no route with destination-cidr-block 0.0.0.0/0 in route table {table}"),
    );
    refused(
        p.unroute(&table, "10.0.0.0/16").await,
        "InvalidParameterValue",
        &format!("cannot remove local route 10.0.0.0/16 in route table {table}"),
    );
}

#[tokio::test]
async fn tables_are_associated_with_subnets() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let (one, two) = (p.table(&vpc).await, p.table(&vpc).await);
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    let association = p.associate(&one, &subnet).await.unwrap();
    refused_as(
        p.associate(&two, &subnet).await,
        "Resource.AlreadyAssociated",
    );
    refused_as(p.delete_table(&one).await, "DependencyViolation");
    let replace = |association: &str, table: &str| {
        let input = api::ReplaceRouteTableAssociationInput {
            association_id: association.into(),
            route_table_id: table.into(),
            dry_run: None,
        };
        p.call(ops::ReplaceRouteTableAssociation, input)
    };
    let moved = replace(&association, &two)
        .await
        .unwrap()
        .new_association_id
        .unwrap();
    p.delete_table(&one).await.unwrap();
    let found = p.tables("association.subnet-id", &subnet).await;
    assert_eq!(found[0].route_table_id.as_ref(), Some(&two));
    let disassociate = |id: &str| {
        let input = api::DisassociateRouteTableInput {
            association_id: id.into(),
            dry_run: None,
        };
        p.call(ops::DisassociateRouteTable, input)
    };
    refused_as(
        disassociate(&association).await,
        "InvalidAssociationID.NotFound",
    );
    disassociate(&moved).await.unwrap();

    // The main table changes places.
    let main = |tables: Vec<api::RouteTable>| {
        let of_vpc = tables
            .into_iter()
            .find(|t| t.vpc_id.as_ref() == Some(&vpc))
            .unwrap();
        let association = of_vpc.associations.unwrap().remove(0);
        (
            of_vpc.route_table_id.unwrap(),
            association.route_table_association_id.unwrap(),
        )
    };
    let (first, association) = main(p.tables("association.main", "true").await);
    refused(
        disassociate(&association).await,
        "InvalidParameterValue",
        &format!("cannot disassociate the main route table association {association}"),
    );
    replace(&association, &two).await.unwrap();
    let (now, association) = main(p.tables("association.main", "true").await);
    assert_eq!(now, two);
    replace(&association, &two).await.unwrap();
    refused_as(p.delete_table(&two).await, "DependencyViolation");
    p.delete_table(&first).await.unwrap();
    // A subnet's association goes with it, and the VPC with its main table.
    p.delete_subnet(&subnet).await.unwrap();
    p.delete_vpc(&vpc).await.unwrap();
}

#[tokio::test]
async fn internet_gateways_are_attached_to_one_vpc() {
    let p = place();
    let (one, two) = (p.vpc("10.0.0.0/16").await, p.vpc("10.0.0.0/16").await);
    let gateway = p.gateway(Some(&one)).await;
    refused(
        p.attach(&gateway, &two).await,
        "Resource.AlreadyAssociated",
        &format!("resource {gateway} is already attached to network {one}"),
    );
    let second = p.gateway(None).await;
    refused(
        p.attach(&second, &one).await,
        "InvalidParameterValue",
        &format!("Network {one} already has an internet gateway attached"),
    );
    refused(
        p.detach(&second, &one).await,
        "Gateway.NotAttached",
        &format!("resource {second} is not attached to network {one}"),
    );
    let delete = |id: &str| {
        let input = api::DeleteInternetGatewayInput {
            internet_gateway_id: id.into(),
            dry_run: None,
        };
        p.call(ops::DeleteInternetGateway, input)
    };
    refused(
        delete(&gateway).await,
        "DependencyViolation",
        &format!("The internetGateway '{gateway}' has dependencies and cannot be deleted."),
    );
    p.detach(&gateway, &one).await.unwrap();
    delete(&gateway).await.unwrap();
    refused_as(delete(&gateway).await, "InvalidInternetGatewayID.NotFound");
}
