//! Subnets: their ranges, attributes, free addresses, and what keeps them.

use super::*;

#[tokio::test]
async fn subnets_count_their_free_addresses_and_page() {
    let p = place();
    p.interface(&p.first.subnets[1].id, &[]).await;
    let describe = |input| p.call(ops::DescribeSubnets, input);
    let zone = api::DescribeSubnetsInput {
        filters: filter("availability-zone", &["us-east-1b"]),
        ..Default::default()
    };
    let found = describe(zone).await.unwrap().subnets.unwrap();
    let [subnet] = found.as_slice() else {
        panic!("one a zone")
    };
    assert_eq!(subnet.available_ip_address_count, Some(4090));
    assert_eq!(subnet.cidr_block.as_deref(), Some("172.31.16.0/20"));
    assert_eq!(subnet.availability_zone_id.as_deref(), Some("use1-az2"));

    let free = api::DescribeSubnetsInput {
        filters: filter("available-ip-address-count", &["4091"]),
        ..Default::default()
    };
    assert_eq!(describe(free).await.unwrap().subnets.unwrap().len(), 2);

    let vpc = p.vpc("10.0.0.0/16").await;
    for n in 0..9 {
        p.subnet(&vpc, &format!("10.0.{n}.0/24")).await;
    }
    let (mut seen, mut next_token) = (Vec::new(), None);
    loop {
        let page = api::DescribeSubnetsInput {
            max_results: Some(5),
            next_token,
            ..Default::default()
        };
        let out = describe(page).await.unwrap();
        seen.extend(out.subnets.unwrap().into_iter().filter_map(|s| s.subnet_id));
        next_token = out.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 12);
    assert!(seen.is_sorted());
}

#[tokio::test]
async fn ranges_of_subnets() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/20").await;
    let made = p.try_subnet(&vpc, "10.0.1.0/24").await.unwrap();
    assert_eq!(made.available_ip_address_count, Some(251));
    assert_eq!(made.map_public_ip_on_launch, Some(false));
    assert_eq!(made.availability_zone.as_deref(), Some("us-east-1a"));
    let arn = made.subnet_arn.unwrap();
    assert!(arn.starts_with("arn:aws:ec2:us-east-1:000000000000:subnet/subnet-"));
    refused(
        p.try_subnet(&vpc, "10.0.1.128/25").await,
        "InvalidSubnet.Conflict",
        "The CIDR '10.0.1.128/25' conflicts with another subnet",
    );
    refused(
        p.try_subnet(&vpc, "10.0.16.0/24").await,
        "InvalidSubnet.Range",
        "The CIDR '10.0.16.0/24' is invalid.",
    );
    refused_as(
        p.try_subnet(&vpc, "10.0.2.0/29").await,
        "InvalidSubnet.Range",
    );
    refused_as(
        p.try_subnet("vpc-1", "10.0.2.0/24").await,
        "InvalidVpcID.NotFound",
    );
    let zone = |zone: Option<&str>, zone_id: Option<&str>| {
        let input = api::CreateSubnetInput {
            vpc_id: vpc.clone(),
            cidr_block: some("10.0.2.0/24"),
            availability_zone: zone.map(Into::into),
            availability_zone_id: zone_id.map(Into::into),
            ..Default::default()
        };
        p.call(ops::CreateSubnet, input)
    };
    refused(
        zone(Some("us-east-1z"), None).await,
        "InvalidParameterValue",
        "Value (us-east-1z) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1b, us-east-1c.",
    );
    let made = zone(None, Some("use1-az3")).await.unwrap().subnet.unwrap();
    assert_eq!(made.availability_zone.as_deref(), Some("us-east-1c"));
}

#[tokio::test]
async fn a_subnet_with_interfaces_stays() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    let interface = p.interface(&subnet, &[]).await;
    assert_eq!(interface.private_ipv4.octets()[..3], [10, 0, 0]);
    refused(
        p.delete_subnet(&subnet).await,
        "DependencyViolation",
        &format!("The subnet '{subnet}' has dependencies and cannot be deleted."),
    );
    // Nothing is left half deleted: the next one is reserved as ever.
    let second = p.interface(&subnet, &[]).await;
    p.released(&interface).await;
    refused_as(p.delete_subnet(&subnet).await, "DependencyViolation");
    p.released(&second).await;
    p.delete_subnet(&subnet).await.unwrap();
    refused_as(p.delete_subnet(&subnet).await, "InvalidSubnetID.NotFound");
}

#[tokio::test]
async fn an_interface_that_was_prepared_before_does_not_outlive_its_subnet() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    let wanted = eni::Wanted {
        subnet_id: &subnet,
        security_groups: &[],
        public: false,
        owner: "a task",
        held: &[],
    };
    let reserve = || eni::reserve(&p.cx.house, &p.cx.scope, wanted);
    let prepared = reserve().await.unwrap();
    p.delete_subnet(&subnet).await.unwrap();
    let tx = p.cx.db().tx().with(prepared.compares, prepared.ops);
    assert_eq!(tx.commit().await.unwrap(), Committed::Conflict);
    assert!(reserve().await.is_err());
}

#[tokio::test]
async fn attributes_of_subnets() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    let value = |value| Some(api::AttributeBooleanValue { value: Some(value) });
    let input = || api::ModifySubnetAttributeInput {
        subnet_id: subnet.clone(),
        ..Default::default()
    };
    let modify = |input| p.call(ops::ModifySubnetAttribute, input);
    modify(api::ModifySubnetAttributeInput {
        map_public_ip_on_launch: value(true),
        ..input()
    })
    .await
    .unwrap();
    modify(api::ModifySubnetAttributeInput {
        private_dns_hostname_type_on_launch: some("resource-name"),
        ..input()
    })
    .await
    .unwrap();
    let found = api::DescribeSubnetsInput {
        filters: filter(
            "private-dns-name-options-on-launch.hostname-type",
            &["resource-name"],
        ),
        ..Default::default()
    };
    let found = p.call(ops::DescribeSubnets, found).await.unwrap();
    assert_eq!(
        found.subnets.unwrap()[0].map_public_ip_on_launch,
        Some(true)
    );
    let ipv6 = |on| api::ModifySubnetAttributeInput {
        assign_ipv6_address_on_creation: value(on),
        ..input()
    };
    refused_as(modify(ipv6(true)).await, "UnsupportedOperation");
    modify(ipv6(false)).await.unwrap();
    refused_as(modify(input()).await, "InvalidParameterCombination");
}
