//! Peering connections, of one account and of two.

use super::*;
use std::time::Duration;

impl Place {
    async fn peer(
        &self,
        vpc: &str,
        other: &str,
        owner: Option<&str>,
    ) -> Result<api::VpcPeeringConnection, AwsError> {
        let input = api::CreateVpcPeeringConnectionInput {
            vpc_id: vpc.into(),
            peer_vpc_id: some(other),
            peer_owner_id: owner.map(Into::into),
            ..Default::default()
        };
        let made = self.call(ops::CreateVpcPeeringConnection, input).await?;
        Ok(made.vpc_peering_connection.unwrap())
    }

    async fn accept(&self, id: &str) -> Result<api::VpcPeeringConnection, AwsError> {
        let input = api::AcceptVpcPeeringConnectionInput {
            vpc_peering_connection_id: id.into(),
            dry_run: None,
        };
        let made = self.call(ops::AcceptVpcPeeringConnection, input).await?;
        Ok(made.vpc_peering_connection.unwrap())
    }

    async fn unpeer(&self, id: &str) -> Result<(), AwsError> {
        let input = api::DeleteVpcPeeringConnectionInput {
            vpc_peering_connection_id: id.into(),
            dry_run: None,
        };
        self.call(ops::DeleteVpcPeeringConnection, input)
            .await
            .map(|_| ())
    }

    async fn peerings(&self, name: &str, value: &str) -> Vec<api::VpcPeeringConnection> {
        let input = api::DescribeVpcPeeringConnectionsInput {
            filters: filter(name, &[value]),
            ..Default::default()
        };
        let found = self.call(ops::DescribeVpcPeeringConnections, input).await;
        found.unwrap().vpc_peering_connections.unwrap()
    }
}

fn code(peering: &api::VpcPeeringConnection) -> &str {
    peering.status.as_ref().unwrap().code.as_deref().unwrap()
}

#[tokio::test]
async fn two_vpcs_are_peered() {
    let p = place();
    let (one, two) = (p.vpc("10.0.0.0/16").await, p.vpc("10.1.0.0/16").await);
    let made = p.peer(&one, &two, None).await.unwrap();
    assert_eq!(code(&made), "pending-acceptance");
    let id = made.vpc_peering_connection_id.unwrap();
    refused_as(
        p.peer(&two, &one, None).await,
        "VpcPeeringConnectionAlreadyExists",
    );
    let table = p
        .tables("vpc-id", &one)
        .await
        .remove(0)
        .route_table_id
        .unwrap();
    let route = || {
        let input = api::CreateRouteInput {
            route_table_id: table.clone(),
            destination_cidr_block: some("10.1.0.0/16"),
            vpc_peering_connection_id: some(&id),
            ..Default::default()
        };
        p.call(ops::CreateRoute, input)
    };
    route().await.unwrap();
    assert_eq!(p.tables("route.state", "blackhole").await.len(), 1);
    assert_eq!(code(&p.accept(&id).await.unwrap()), "active");
    refused_as(p.accept(&id).await, "InvalidStateTransition");
    assert_eq!(
        p.tables("route.vpc-peering-connection-id", &id).await.len(),
        1
    );
    assert_eq!(p.tables("route.state", "blackhole").await.len(), 0);
    refused_as(p.delete_vpc(&two).await, "DependencyViolation");

    // A rule may name a group of the other VPC, which that does not keep.
    let (web, far) = (p.group(&one, "web").await, p.group(&two, "far").await);
    let allow = api::AuthorizeSecurityGroupIngressInput {
        group_id: some(&web),
        ip_permissions: Some(vec![api::IpPermission {
            ip_protocol: some("-1"),
            user_id_group_pairs: Some(vec![api::UserIdGroupPair {
                group_id: some(&far),
                ..Default::default()
            }]),
            ..Default::default()
        }]),
        ..Default::default()
    };
    p.call(ops::AuthorizeSecurityGroupIngress, allow)
        .await
        .unwrap();
    let references = api::DescribeSecurityGroupReferencesInput {
        group_id: vec![far.clone()],
        dry_run: None,
    };
    let references = p
        .call(ops::DescribeSecurityGroupReferences, references)
        .await
        .unwrap();
    let references = references.security_group_reference_set.unwrap();
    assert_eq!(references[0].referencing_vpc_id.as_ref(), Some(&one));
    p.delete_group(&far).await.unwrap();
    let stale = api::DescribeStaleSecurityGroupsInput {
        vpc_id: one.clone(),
        ..Default::default()
    };
    let stale = p
        .call(ops::DescribeStaleSecurityGroups, stale)
        .await
        .unwrap();
    let stale = stale.stale_security_group_set.unwrap();
    assert_eq!(stale[0].group_id.as_ref(), Some(&web));

    p.unpeer(&id).await.unwrap();
    assert_eq!(p.peerings("status-code", "deleted").await.len(), 1);
    assert_eq!(p.tables("route.state", "blackhole").await.len(), 1);
    p.delete_vpc(&two).await.unwrap();
    p.lab.clock.advance(Duration::from_secs(2 * 3600 + 1));
    assert_eq!(p.peerings("status-code", "*").await.len(), 0);
}

#[tokio::test]
async fn what_cannot_be_peered_fails() {
    let p = place();
    let (one, two) = (p.vpc("10.0.0.0/16").await, p.vpc("10.0.0.0/20").await);
    assert_eq!(code(&p.peer(&one, &two, None).await.unwrap()), "failed");
    let gone = p.peer(&one, "vpc-1", None).await.unwrap();
    assert_eq!(code(&gone), "failed");
    refused_as(
        p.accept(&gone.vpc_peering_connection_id.unwrap()).await,
        "InvalidStateTransition",
    );
    refused_as(p.peer(&one, &one, None).await, "InvalidParameterValue");
    refused_as(
        p.accept("pcx-1").await,
        "InvalidVpcPeeringConnectionID.NotFound",
    );
}

#[tokio::test]
async fn ranges_of_peers_never_overlap() {
    let p = place();
    let (one, two) = (p.vpc("10.0.0.0/16").await, p.vpc("10.1.0.0/16").await);
    let add = |vpc: &str, range: &str| {
        let input = api::AssociateVpcCidrBlockInput {
            vpc_id: vpc.into(),
            cidr_block: some(range),
            ..Default::default()
        };
        p.call(ops::AssociateVpcCidrBlock, input)
    };
    let id = |made: api::VpcPeeringConnection| made.vpc_peering_connection_id.unwrap();
    let first = id(p.peer(&one, &two, None).await.unwrap());
    add(&two, "10.2.0.0/16").await.unwrap();
    add(&one, "10.2.0.0/20").await.unwrap();
    let failed = p.accept(&first).await.unwrap();
    assert_eq!(code(&failed), "failed", "they overlap by now");
    let three = p.vpc("10.3.0.0/16").await;
    let active = id(p.peer(&one, &three, None).await.unwrap());
    assert_eq!(code(&p.accept(&active).await.unwrap()), "active");
    refused_as(add(&three, "10.2.0.0/24").await, "CidrConflict");
    refused_as(add(&one, "10.3.0.0/24").await, "CidrConflict");
    add(&one, "10.4.0.0/16").await.unwrap();
}

#[tokio::test]
async fn nobody_accepts_for_another_account() {
    let p = place();
    let other = p.elsewhere(|scope| scope.account = "111111111111".parse().unwrap());
    let (own, far) = (p.vpc("10.0.0.0/16").await, other.vpc("10.1.0.0/16").await);
    let made = p.peer(&own, &far, Some("111111111111")).await.unwrap();
    let message = made.status.clone().unwrap().message.unwrap();
    assert_eq!(message, "Pending Acceptance by 111111111111");
    let id = made.vpc_peering_connection_id.unwrap();
    refused(
        p.accept(&id).await,
        "OperationNotPermitted",
        &format!("User 000000000000 cannot accept peering {id}"),
    );
    other.accept(&id).await.unwrap();
    let options = |p: &Place| {
        let input = api::ModifyVpcPeeringConnectionOptionsInput {
            vpc_peering_connection_id: id.clone(),
            accepter_peering_connection_options: Some(api::PeeringConnectionOptionsRequest {
                allow_dns_resolution_from_remote_vpc: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        };
        let (table, cx) = (p.table.clone(), p.cx.clone());
        async move {
            let modify = ops::ModifyVpcPeeringConnectionOptions;
            neargate_testkit::call(&*table, cx, modify, input).await
        }
    };
    refused_as(options(&p).await, "OperationNotPermitted");
    options(&other).await.unwrap();
    other.unpeer(&id).await.unwrap();
    assert_eq!(p.peerings("status-code", "deleted").await.len(), 1);
    refused_as(options(&other).await, "OperationNotPermitted");

    // One that nobody accepts expires.
    let made = p.peer(&own, &far, Some("111111111111")).await.unwrap();
    let id = made.vpc_peering_connection_id.unwrap();
    p.lab.clock.advance(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(p.peerings("status-code", "expired").await.len(), 1);
    refused_as(other.accept(&id).await, "InvalidStateTransition");
}
