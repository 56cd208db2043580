//! VPCs: what a new one begins with, its ranges and attributes, and what keeps it from being deleted.

use super::*;

fn attribute(vpc: &str, name: &str) -> api::DescribeVpcAttributeInput {
    api::DescribeVpcAttributeInput {
        attribute: name.into(),
        vpc_id: vpc.into(),
        dry_run: None,
    }
}

#[tokio::test]
async fn the_default_vpc() {
    let p = place();
    let found = p.vpcs(api::DescribeVpcsInput::default()).await.unwrap();
    let [vpc] = found.as_slice() else {
        panic!("one VPC, not {}", found.len())
    };
    assert_eq!(vpc.vpc_id.as_ref(), Some(&p.first.vpc_id));
    assert_eq!(
        (vpc.is_default, vpc.cidr_block.as_deref()),
        (Some(true), Some("172.31.0.0/16"))
    );
    for (name, value, count) in [
        ("isDefault", "true", 1),
        ("is-default", "false", 0),
        ("cidr", "172.31.*", 1),
        ("vpc-id", "vpc-?", 0),
        ("cidr-block-association.state", "associated", 1),
        ("ipv6-cidr-block-association.state", "*", 0),
        ("tag:Name", "*", 0),
        ("tag-key", "*", 0),
    ] {
        let input = api::DescribeVpcsInput {
            filters: filter(name, &[value]),
            ..Default::default()
        };
        assert_eq!(p.vpcs(input).await.unwrap().len(), count, "{name}={value}");
    }
    for name in ["enableDnsSupport", "enableDnsHostnames"] {
        let out = p.call(ops::DescribeVpcAttribute, attribute(&p.first.vpc_id, name));
        let out = out.await.unwrap();
        let value = out.enable_dns_support.or(out.enable_dns_hostnames);
        assert_eq!(value.and_then(|v| v.value), Some(true), "{name}");
    }
}

#[tokio::test]
async fn a_vpc_begins_with_a_group_a_table_and_an_acl() {
    let p = place();
    let input = api::CreateVpcInput {
        cidr_block: some("10.0.0.9/16"),
        tag_specifications: specification("vpc", &[("Name", "main")]),
        ..Default::default()
    };
    let made = p.call(ops::CreateVpc, input).await.unwrap().vpc.unwrap();
    assert_eq!(made.state.as_deref(), Some("pending"));
    assert_eq!(made.cidr_block.as_deref(), Some("10.0.0.0/16"));
    assert_eq!(made.tags, Some(pairs(&[("Name", "main")])));
    assert_eq!(
        made.dhcp_options_id.as_ref(),
        Some(&p.first.dhcp_options_id)
    );
    let vpc = made.vpc_id.unwrap();

    let tables = p.tables("vpc-id", &vpc).await;
    let [table] = tables.as_slice() else {
        panic!("one table")
    };
    assert_eq!(table.associations.as_ref().unwrap()[0].main, Some(true));
    assert_eq!(table.routes.as_ref().unwrap().len(), 1);
    let groups = api::DescribeSecurityGroupsInput {
        filters: filter("vpc-id", &[&vpc]),
        ..Default::default()
    };
    let groups = p.call(ops::DescribeSecurityGroups, groups).await.unwrap();
    let groups = groups.security_groups.unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].group_name.as_deref(), Some("default"));
    let acls = api::DescribeNetworkAclsInput {
        filters: filter("vpc-id", &[&vpc]),
        ..Default::default()
    };
    let acls = p.call(ops::DescribeNetworkAcls, acls).await.unwrap();
    assert_eq!(acls.network_acls.unwrap().len(), 1);
    let hostnames = p.call(
        ops::DescribeVpcAttribute,
        attribute(&vpc, "enableDnsHostnames"),
    );
    let hostnames = hostnames.await.unwrap().enable_dns_hostnames.unwrap();
    assert_eq!(hostnames.value, Some(false));

    p.delete_vpc(&vpc).await.unwrap();
    assert_eq!(p.tables("vpc-id", &vpc).await, vec![]);
    assert_eq!(p.tags(api::DescribeTagsInput::default()).await.0.len(), 0);
    let gone = p.call(
        ops::DescribeVpcAttribute,
        attribute(&vpc, "enableDnsHostnames"),
    );
    refused_as(gone.await, "InvalidVpcID.NotFound");
}

#[tokio::test]
async fn ranges_that_a_vpc_cannot_have() {
    let p = place();
    let make = |range: Option<&str>| {
        let input = api::CreateVpcInput {
            cidr_block: range.map(Into::into),
            ..Default::default()
        };
        p.call(ops::CreateVpc, input)
    };
    refused(
        make(Some("10.0.0.0/15")).await,
        "InvalidVpc.Range",
        "The CIDR '10.0.0.0/15' is invalid.",
    );
    refused_as(make(Some("10.0.0.0/29")).await, "InvalidVpc.Range");
    refused_as(make(Some("127.0.0.0/16")).await, "InvalidVpc.Range");
    refused(
        make(Some("10.0.0/16")).await,
        "InvalidParameterValue",
        "Value (10.0.0/16) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
    );
    refused_as(make(None).await, "MissingParameter");
    let ipv6 = api::CreateVpcInput {
        cidr_block: some("10.0.0.0/16"),
        amazon_provided_ipv6_cidr_block: Some(true),
        ..Default::default()
    };
    refused_as(p.call(ops::CreateVpc, ipv6).await, "UnsupportedOperation");
    for _ in 0..4 {
        p.vpc("10.0.0.0/16").await;
    }
    refused(
        make(Some("10.0.0.0/16")).await,
        "VpcLimitExceeded",
        "The maximum number of VPCs has been reached.",
    );
}

#[tokio::test]
async fn further_ranges_come_and_go() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let add = |range: &str| {
        let input = api::AssociateVpcCidrBlockInput {
            vpc_id: vpc.clone(),
            cidr_block: some(range),
            ..Default::default()
        };
        p.call(ops::AssociateVpcCidrBlock, input)
    };
    let added = add("100.64.0.0/16").await.unwrap();
    let association = added
        .cidr_block_association
        .unwrap()
        .association_id
        .unwrap();
    refused_as(add("10.0.1.0/24").await, "CidrConflict");
    let restricted = add("192.168.0.0/16").await.unwrap_err();
    assert_eq!(restricted.code, "InvalidVpc.Range");
    assert!(restricted.message.contains("is restricted"));
    for n in 1..4 {
        add(&format!("100.{}.0.0/16", 64 + n)).await.unwrap();
    }
    refused(
        add("100.70.0.0/16").await,
        "CidrLimitExceeded",
        &format!("This network '{vpc}' has met its maximum number of allowed CIDRs: 5"),
    );
    let subnet = p.subnet(&vpc, "100.64.1.0/24").await;
    let routes = p.tables("vpc-id", &vpc).await.remove(0).routes.unwrap();
    assert_eq!(routes.len(), 5);

    let remove = |id: &str| {
        let input = api::DisassociateVpcCidrBlockInput {
            association_id: id.into(),
        };
        p.call(ops::DisassociateVpcCidrBlock, input)
    };
    refused_as(remove(&association).await, "DependencyViolation");
    p.delete_subnet(&subnet).await.unwrap();
    let removed = remove(&association).await.unwrap();
    assert_eq!(removed.vpc_id.as_ref(), Some(&vpc));
    let primary = vpc.replace("vpc-", "vpc-cidr-assoc-");
    refused_as(remove(&primary).await, "OperationNotPermitted");
    refused_as(
        remove(&association).await,
        "InvalidVpcCidrBlockAssociationID.NotFound",
    );
}

#[tokio::test]
async fn attributes_are_changed_one_at_a_time() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let value = |value| Some(api::AttributeBooleanValue { value: Some(value) });
    let modify = |support: Option<bool>, hostnames: Option<bool>| {
        let input = api::ModifyVpcAttributeInput {
            vpc_id: vpc.clone(),
            enable_dns_support: support.and_then(value),
            enable_dns_hostnames: hostnames.and_then(value),
            ..Default::default()
        };
        p.call(ops::ModifyVpcAttribute, input)
    };
    modify(None, Some(true)).await.unwrap();
    let shown = p.call(
        ops::DescribeVpcAttribute,
        attribute(&vpc, "enableDnsHostnames"),
    );
    let shown = shown.await.unwrap().enable_dns_hostnames.unwrap();
    assert_eq!(shown.value, Some(true));
    refused(
        modify(Some(true), Some(true)).await,
        "InvalidParameterCombination",
        "Fields for multiple attribute types specified: enableDnsSupport, enableDnsHostnames",
    );
    refused_as(modify(None, None).await, "InvalidParameterCombination");
    modify(Some(false), None).await.unwrap();
    modify(None, Some(false)).await.unwrap();
    refused_as(modify(None, Some(true)).await, "InvalidParameterValue");
}

#[tokio::test]
async fn what_is_in_a_vpc_keeps_it() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let kept = |result| {
        let message = format!("The vpc '{vpc}' has dependencies and cannot be deleted.");
        refused(result, "DependencyViolation", &message);
    };
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    kept(p.delete_vpc(&vpc).await);
    p.delete_subnet(&subnet).await.unwrap();
    let group = p.group(&vpc, "web").await;
    kept(p.delete_vpc(&vpc).await);
    p.delete_group(&group).await.unwrap();
    let gateway = p.gateway(Some(&vpc)).await;
    kept(p.delete_vpc(&vpc).await);
    let detach = api::DetachInternetGatewayInput {
        internet_gateway_id: gateway,
        vpc_id: vpc.clone(),
        dry_run: None,
    };
    p.call(ops::DetachInternetGateway, detach).await.unwrap();
    p.delete_vpc(&vpc).await.unwrap();
}

#[tokio::test]
async fn the_default_vpc_is_made_again() {
    let p = place();
    let make = || p.call(ops::CreateDefaultVpc, api::CreateDefaultVpcInput::default());
    refused(
        make().await,
        "DefaultVpcAlreadyExists",
        "A Default VPC already exists for this account in this region.",
    );
    for subnet in &p.first.subnets {
        p.delete_subnet(&subnet.id).await.unwrap();
    }
    let zone = |zone: &str| {
        let input = api::CreateDefaultSubnetInput {
            availability_zone: some(zone),
            ..Default::default()
        };
        p.call(ops::CreateDefaultSubnet, input)
    };
    let again = zone("us-east-1b").await.unwrap().subnet.unwrap();
    assert_eq!(again.default_for_az, Some(true));
    assert_eq!(again.map_public_ip_on_launch, Some(true));
    let id = again.subnet_id.unwrap();
    refused(
        zone("us-east-1b").await,
        "DefaultSubnetAlreadyExistsInAvailabilityZone",
        &format!("'{id}' is already the default subnet in us-east-1b."),
    );
    p.delete_subnet(&id).await.unwrap();

    let detach = api::DetachInternetGatewayInput {
        internet_gateway_id: p.first.internet_gateway_id.clone(),
        vpc_id: p.first.vpc_id.clone(),
        dry_run: None,
    };
    p.call(ops::DetachInternetGateway, detach).await.unwrap();
    p.delete_vpc(&p.first.vpc_id).await.unwrap();
    assert_eq!(
        p.vpcs(api::DescribeVpcsInput::default()).await.unwrap(),
        vec![]
    );
    refused_as(zone("us-east-1b").await, "DefaultVpcDoesNotExist");

    let vpc = make().await.unwrap().vpc.unwrap();
    assert_eq!(vpc.is_default, Some(true));
    assert_ne!(vpc.vpc_id.as_ref(), Some(&p.first.vpc_id));
    let subnets = api::DescribeSubnetsInput {
        filters: filter("default-for-az", &["true"]),
        ..Default::default()
    };
    let subnets = p.call(ops::DescribeSubnets, subnets).await.unwrap();
    assert_eq!(subnets.subnets.unwrap().len(), 3);
}

#[tokio::test]
async fn faults_in_ec2s_words() {
    let p = place();
    let vpc = |id: &str| api::DescribeVpcsInput {
        vpc_ids: ids(id),
        ..Default::default()
    };
    refused(
        p.vpcs(vpc("vpc-1")).await,
        "InvalidVpcID.NotFound",
        "The vpc ID 'vpc-1' does not exist",
    );
    refused(
        p.vpcs(vpc("subnet-1")).await,
        "InvalidVpcId.Malformed",
        "Invalid id: \"subnet-1\" (expecting \"vpc-...\")",
    );
    let bad = api::DescribeVpcsInput {
        filters: filter("nonsense", &["x"]),
        ..Default::default()
    };
    refused(
        p.vpcs(bad).await,
        "InvalidParameterValue",
        "The filter 'nonsense' is invalid",
    );
    let bad = api::DescribeVpcsInput {
        next_token: some("%"),
        ..Default::default()
    };
    refused(
        p.vpcs(bad).await,
        "InvalidNextToken",
        "The token is invalid or has expired.",
    );
    let bad = api::DescribeVpcsInput {
        max_results: Some(4),
        ..Default::default()
    };
    refused_as(p.vpcs(bad).await, "InvalidParameterValue");
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let bad = api::DescribeVpcsInput {
        filters: filter("vpc-id", &many),
        ..Default::default()
    };
    refused_as(p.vpcs(bad).await, "FilterLimitExceeded");
    let dry = api::DescribeVpcsInput {
        dry_run: Some(true),
        ..Default::default()
    };
    let dry = p.vpcs(dry).await.unwrap_err();
    assert_eq!((dry.code.as_str(), dry.status), ("DryRunOperation", 412));
    let dry = api::CreateVpcInput {
        cidr_block: some("10.0.0.0/16"),
        dry_run: Some(true),
        ..Default::default()
    };
    refused_as(p.call(ops::CreateVpc, dry).await, "DryRunOperation");
    assert_eq!(
        p.vpcs(api::DescribeVpcsInput::default())
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn regions_and_accounts_are_apart() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    p.interface(&p.first.subnets[0].id, &[]).await;
    let places = [
        p.elsewhere(|scope| scope.region = "eu-west-1".parse().unwrap()),
        p.elsewhere(|scope| scope.account = "111111111111".parse().unwrap()),
    ];
    for other in places {
        let input = api::DescribeVpcsInput {
            vpc_ids: ids(&vpc),
            ..Default::default()
        };
        refused_as(other.vpcs(input).await, "InvalidVpcID.NotFound");
        refused_as(other.delete_vpc(&vpc).await, "InvalidVpcID.NotFound");
        let input = api::DescribeNetworkInterfacesInput::default();
        let out = other.call(ops::DescribeNetworkInterfaces, input).await;
        assert_eq!(out.unwrap().network_interfaces, Some(vec![]));
        let own = other.vpcs(api::DescribeVpcsInput::default()).await.unwrap();
        assert_eq!(own[0].vpc_id.as_ref(), Some(&other.first.vpc_id));
    }
}
