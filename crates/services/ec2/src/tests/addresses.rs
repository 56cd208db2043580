//! Elastic IPs, and the NAT gateways that have them.

use super::*;
use std::time::Duration;

impl Place {
    async fn address(&self) -> (String, String) {
        let made = self.call(ops::AllocateAddress, api::AllocateAddressInput::default());
        let made = made.await.unwrap();
        (made.allocation_id.unwrap(), made.public_ip.unwrap())
    }

    async fn addresses(&self, filters: Option<Vec<api::Filter>>) -> Vec<api::Address> {
        let input = api::DescribeAddressesInput {
            filters,
            ..Default::default()
        };
        let found = self.call(ops::DescribeAddresses, input).await.unwrap();
        found.addresses.unwrap()
    }

    async fn own_interface(&self, subnet: &str) -> String {
        let input = api::CreateNetworkInterfaceInput {
            subnet_id: subnet.into(),
            ..Default::default()
        };
        let made = self.call(ops::CreateNetworkInterface, input).await.unwrap();
        made.network_interface
            .unwrap()
            .network_interface_id
            .unwrap()
    }

    async fn associate_address(
        &self,
        allocation: &str,
        interface: &str,
        again: Option<bool>,
    ) -> Result<String, AwsError> {
        let input = api::AssociateAddressInput {
            allocation_id: some(allocation),
            network_interface_id: some(interface),
            allow_reassociation: again,
            ..Default::default()
        };
        let made = self.call(ops::AssociateAddress, input).await?;
        Ok(made.association_id.unwrap())
    }

    async fn release(&self, allocation: &str) -> Result<(), AwsError> {
        let input = api::ReleaseAddressInput {
            allocation_id: some(allocation),
            ..Default::default()
        };
        self.call(ops::ReleaseAddress, input).await.map(|_| ())
    }

    async fn nat(
        &self,
        subnet: &str,
        allocation: Option<&str>,
    ) -> Result<api::NatGateway, AwsError> {
        let input = api::CreateNatGatewayInput {
            subnet_id: some(subnet),
            allocation_id: allocation.map(Into::into),
            client_token: allocation.map(Into::into),
            ..Default::default()
        };
        let made = self.call(ops::CreateNatGateway, input).await?;
        Ok(made.nat_gateway.unwrap())
    }
}

#[tokio::test]
async fn an_address_goes_from_interface_to_interface() {
    let p = place();
    let subnet = &p.first.subnets[0].id;
    let (one, two) = (p.own_interface(subnet).await, p.own_interface(subnet).await);
    let (allocation, ip) = p.address().await;
    let association = p.associate_address(&allocation, &one, None).await.unwrap();
    let shown = p
        .addresses(filter("association-id", &[&association]))
        .await
        .remove(0);
    assert_eq!(shown.network_interface_id.as_ref(), Some(&one));
    assert_eq!(shown.public_ip.as_ref(), Some(&ip));
    let input = api::DescribeNetworkInterfacesInput {
        filters: filter("association.public-ip", &[&ip]),
        ..Default::default()
    };
    let found = p.call(ops::DescribeNetworkInterfaces, input).await.unwrap();
    let shown = found
        .network_interfaces
        .unwrap()
        .remove(0)
        .association
        .unwrap();
    assert_eq!(shown.allocation_id.as_ref(), Some(&allocation));
    assert!(
        shown
            .public_dns_name
            .unwrap()
            .ends_with(".compute-1.amazonaws.com")
    );

    refused_as(
        p.associate_address(&allocation, &two, Some(false)).await,
        "Resource.AlreadyAssociated",
    );
    refused(
        p.release(&allocation).await,
        "InvalidIPAddress.InUse",
        &format!("Address {ip} is in use."),
    );
    let moved = p.associate_address(&allocation, &two, None).await.unwrap();
    let disassociate = |id: &str| {
        let input = api::DisassociateAddressInput {
            association_id: some(id),
            ..Default::default()
        };
        p.call(ops::DisassociateAddress, input)
    };
    refused(
        disassociate(&association).await,
        "InvalidAssociationID.NotFound",
        &format!("The association ID '{association}' does not exist"),
    );
    disassociate(&moved).await.unwrap();
    p.release(&allocation).await.unwrap();
    assert_eq!(p.addresses(None).await, vec![]);
    refused_as(p.release(&allocation).await, "InvalidAllocationID.NotFound");
}

#[tokio::test]
async fn an_address_whose_interface_is_gone_is_free() {
    let p = place();
    let interface = p.own_interface(&p.first.subnets[0].id).await;
    let (allocation, _) = p.address().await;
    p.associate_address(&allocation, &interface, None)
        .await
        .unwrap();
    let delete = api::DeleteNetworkInterfaceInput {
        network_interface_id: interface,
        dry_run: None,
    };
    p.call(ops::DeleteNetworkInterface, delete).await.unwrap();
    assert_eq!(p.addresses(None).await[0].association_id, None);
    let second = p.own_interface(&p.first.subnets[0].id).await;
    p.associate_address(&allocation, &second, Some(false))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_account_has_five_addresses() {
    let p = place();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        seen.insert(p.address().await.1);
    }
    assert_eq!(seen.len(), 5);
    refused(
        p.call(ops::AllocateAddress, api::AllocateAddressInput::default())
            .await,
        "AddressLimitExceeded",
        "The maximum number of addresses has been reached.",
    );
    let input = api::DescribeAddressesInput {
        public_ips: ids("192.0.2.1"),
        ..Default::default()
    };
    refused(
        p.call(ops::DescribeAddresses, input).await,
        "InvalidAddress.NotFound",
        "Address '192.0.2.1' not found.",
    );
}

#[tokio::test]
async fn nat_gateways() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    let (allocation, ip) = p.address().await;
    refused_as(p.nat(&subnet, None).await, "MissingParameter");
    refused_as(
        p.nat(&subnet, Some(&allocation)).await,
        "Gateway.NotAttached",
    );
    p.gateway(Some(&vpc)).await;
    let made = p.nat(&subnet, Some(&allocation)).await.unwrap();
    assert_eq!(made.state.as_deref(), Some("pending"));
    let id = made.nat_gateway_id.unwrap();
    // The same call again makes no second one.
    let again = p.nat(&subnet, Some(&allocation)).await.unwrap();
    assert_eq!(again.nat_gateway_id.as_ref(), Some(&id));
    let describe = |state: &str| {
        let input = api::DescribeNatGatewaysInput {
            filter: filter("state", &[state]),
            ..Default::default()
        };
        p.call(ops::DescribeNatGateways, input)
    };
    let shown = describe("available")
        .await
        .unwrap()
        .nat_gateways
        .unwrap()
        .remove(0);
    let address = shown.nat_gateway_addresses.unwrap().remove(0);
    assert_eq!(address.public_ip.as_ref(), Some(&ip));
    assert!(address.private_ip.unwrap().starts_with("10.0.0."));
    refused_as(p.release(&allocation).await, "InvalidIPAddress.InUse");
    let taken = p.addresses(None).await[0].association_id.clone();
    let disassociate = api::DisassociateAddressInput {
        association_id: taken,
        ..Default::default()
    };
    refused_as(
        p.call(ops::DisassociateAddress, disassociate).await,
        "AuthFailure",
    );
    refused_as(p.delete_subnet(&subnet).await, "DependencyViolation");

    let table = p
        .tables("vpc-id", &vpc)
        .await
        .remove(0)
        .route_table_id
        .unwrap();
    let out = api::CreateRouteInput {
        route_table_id: table.clone(),
        destination_cidr_block: some("0.0.0.0/0"),
        nat_gateway_id: some(&id),
        ..Default::default()
    };
    p.call(ops::CreateRoute, out.clone()).await.unwrap();
    let delete = || {
        let input = api::DeleteNatGatewayInput {
            nat_gateway_id: id.clone(),
            dry_run: None,
        };
        p.call(ops::DeleteNatGateway, input)
    };
    delete().await.unwrap();
    delete().await.unwrap();
    assert_eq!(
        describe("deleted")
            .await
            .unwrap()
            .nat_gateways
            .unwrap()
            .len(),
        1
    );
    assert_eq!(p.tables("route.state", "blackhole").await.len(), 1);
    p.release(&allocation).await.unwrap();
    p.delete_subnet(&subnet).await.unwrap();
    p.lab.clock.advance(Duration::from_secs(3601));
    assert_eq!(describe("*").await.unwrap().nat_gateways.unwrap().len(), 0);
    let unknown = api::DeleteNatGatewayInput {
        nat_gateway_id: "nat-1".into(),
        dry_run: None,
    };
    refused(
        p.call(ops::DeleteNatGateway, unknown).await,
        "NatGatewayNotFound",
        "The Nat Gateway nat-1 was not found",
    );
    refused_as(
        p.call(
            ops::CreateRoute,
            api::CreateRouteInput {
                destination_cidr_block: some("192.0.2.0/24"),
                ..out
            },
        )
        .await,
        "InvalidNatGatewayID.NotFound",
    );
}
