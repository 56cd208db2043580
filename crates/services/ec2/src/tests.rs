//! The handlers on an in-memory store.

use super::api::{
    account, acls, interfaces, places, routing, security_groups, subnets, tags, vpcs,
};
use super::{Ec2, kind};
use neargate_api_ec2 as api;
use neargate_domain::vpc::DefaultVpc;
use neargate_service::{AwsError, Committed, Ctx, Service, eni};
use neargate_testkit::Lab;
use std::sync::Arc;

struct Place {
    cx: Ctx,
    vpc: DefaultVpc,
    ec2: Arc<Ec2>,
    _lab: Lab,
}

fn place() -> Place {
    let lab = Lab::seeded(7);
    let vpc = DefaultVpc::of(&lab.scope.account, &lab.scope.region);
    Place {
        cx: lab.cx(),
        vpc,
        ec2: Arc::new(Ec2::default()),
        _lab: lab,
    }
}

impl Place {
    fn cx(&self) -> (Arc<Ec2>, Ctx) {
        (self.ec2.clone(), self.cx.clone())
    }

    async fn interface(&self, subnet: usize) -> neargate_domain::NetworkInterface {
        let id = &self.vpc.subnets[subnet].id;
        let reserved = eni::reserve(
            &self.cx.house,
            &self.cx.scope,
            eni::Wanted {
                subnet_id: id,
                security_groups: &[],
                public: false,
                owner: "arn:aws:ecs:task",
                held: &[],
            },
        )
        .await
        .unwrap();
        let tx = self.cx.db().tx().with(reserved.compares, reserved.ops);
        assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
        reserved.interface
    }

    async fn vpcs(&self, input: api::DescribeVpcsInput) -> Result<Vec<api::Vpc>, AwsError> {
        let (ec2, cx) = self.cx();
        Ok(vpcs::describe_vpcs(ec2, cx, input).await?.vpcs.unwrap())
    }

    async fn subnets(
        &self,
        input: api::DescribeSubnetsInput,
    ) -> Result<api::DescribeSubnetsOutput, AwsError> {
        let (ec2, cx) = self.cx();
        subnets::describe_subnets(ec2, cx, input).await
    }

    async fn tag(&self, ids: &[&str], tags: &[(&str, &str)]) -> Result<(), AwsError> {
        let (ec2, cx) = self.cx();
        let resources = ids.iter().map(|s| (*s).into()).collect();
        let input = api::CreateTagsInput {
            resources,
            tags: pairs(tags),
            ..Default::default()
        };
        tags::create_tags(ec2, cx, input).await.map(|_| ())
    }

    async fn untag(&self, id: &str, tags: Option<Vec<api::Tag>>) {
        let (ec2, cx) = self.cx();
        let input = api::DeleteTagsInput {
            resources: vec![id.into()],
            tags,
            ..Default::default()
        };
        tags::delete_tags(ec2, cx, input).await.unwrap();
    }

    /// `id key=value` of every tag.
    async fn tags(&self, input: api::DescribeTagsInput) -> (Vec<String>, Option<String>) {
        let (ec2, cx) = self.cx();
        let out = tags::describe_tags(ec2, cx, input).await.unwrap();
        let show = |t: api::TagDescription| {
            format!(
                "{} {}={}",
                t.resource_type.unwrap(),
                t.key.unwrap(),
                t.value.unwrap()
            )
        };
        (
            out.tags.unwrap().into_iter().map(show).collect(),
            out.next_token,
        )
    }
}

fn pairs(tags: &[(&str, &str)]) -> Vec<api::Tag> {
    let tag = |(k, v): &(&str, &str)| api::Tag {
        key: Some((*k).into()),
        value: Some((*v).into()),
    };
    tags.iter().map(tag).collect()
}

fn filter(name: &str, values: &[&str]) -> Option<Vec<api::Filter>> {
    let values = Some(values.iter().map(|v| (*v).into()).collect());
    Some(vec![api::Filter {
        name: Some(name.into()),
        values,
    }])
}

fn ids(id: &str) -> Option<Vec<String>> {
    Some(vec![id.into()])
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, AwsError>, code: &str, message: &str) {
    let e = result.unwrap_err();
    assert_eq!((e.code.as_str(), e.message.as_str()), (code, message));
}

#[tokio::test]
async fn the_default_vpc() {
    let p = place();
    let found = p.vpcs(api::DescribeVpcsInput::default()).await.unwrap();
    let [vpc] = found.as_slice() else {
        panic!("one VPC, not {}", found.len())
    };
    assert_eq!(vpc.vpc_id.as_ref(), Some(&p.vpc.vpc_id));
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
    let subnet = api::DescribeSubnetsInput {
        subnet_ids: ids("subnet-0"),
        ..Default::default()
    };
    refused(
        p.subnets(subnet).await,
        "InvalidSubnetID.NotFound",
        "The subnet ID 'subnet-0' does not exist",
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
        next_token: Some("%".into()),
        ..Default::default()
    };
    refused(
        p.vpcs(bad).await,
        "InvalidNextToken",
        "The token is invalid or has expired.",
    );
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let bad = api::DescribeVpcsInput {
        filters: filter("vpc-id", &many),
        ..Default::default()
    };
    assert_eq!(p.vpcs(bad).await.unwrap_err().code, "FilterLimitExceeded");
    let dry = api::DescribeVpcsInput {
        dry_run: Some(true),
        ..Default::default()
    };
    let dry = p.vpcs(dry).await.unwrap_err();
    assert_eq!((dry.code.as_str(), dry.status), ("DryRunOperation", 412));
}

#[tokio::test]
async fn subnets_count_their_free_addresses_and_page() {
    let p = place();
    p.interface(1).await;
    let zone = api::DescribeSubnetsInput {
        filters: filter("availability-zone", &["us-east-1b"]),
        ..Default::default()
    };
    let found = p.subnets(zone).await.unwrap().subnets.unwrap();
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
    assert_eq!(p.subnets(free).await.unwrap().subnets.unwrap().len(), 2);

    let (mut seen, mut next_token) = (Vec::new(), None);
    loop {
        let page = api::DescribeSubnetsInput {
            max_results: Some(2),
            next_token,
            ..Default::default()
        };
        let out = p.subnets(page).await.unwrap();
        seen.extend(out.subnets.unwrap().into_iter().filter_map(|s| s.subnet_id));
        next_token = out.next_token;
        if next_token.is_none() {
            break;
        }
    }
    let mut all: Vec<String> = p.vpc.subnets.iter().map(|s| s.id.clone()).collect();
    all.sort();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn the_default_security_group() {
    let p = place();
    let (ec2, cx) = p.cx();
    let by_name = api::DescribeSecurityGroupsInput {
        group_names: ids("default"),
        filters: filter("vpc-id", &[&p.vpc.vpc_id]),
        ..Default::default()
    };
    let found = security_groups::describe_security_groups(ec2.clone(), cx.clone(), by_name).await;
    let group = found.unwrap().security_groups.unwrap().remove(0);
    assert_eq!(group.group_id.as_ref(), Some(&p.vpc.security_group_id));
    let own = &group.ip_permissions.unwrap()[0]
        .user_id_group_pairs
        .clone()
        .unwrap()[0];
    assert_eq!(own.group_id.as_ref(), Some(&p.vpc.security_group_id));

    let other = api::DescribeSecurityGroupsInput {
        group_names: ids("web"),
        ..Default::default()
    };
    let other = security_groups::describe_security_groups(ec2.clone(), cx.clone(), other).await;
    assert_eq!(other.unwrap_err().code, "InvalidGroup.NotFound");
    let other = api::DescribeSecurityGroupsInput {
        group_ids: ids("sg-1"),
        ..Default::default()
    };
    let other = security_groups::describe_security_groups(ec2.clone(), cx.clone(), other).await;
    refused(
        other,
        "InvalidGroup.NotFound",
        "The security group 'sg-1' does not exist",
    );

    let egress = filter("egress.ip-permission.cidr", &["0.0.0.0/0"]);
    for (filters, count) in [
        (egress, 1),
        (filter("ip-permission.cidr", &["0.0.0.0/0"]), 0),
    ] {
        let input = api::DescribeSecurityGroupsInput {
            filters,
            ..Default::default()
        };
        let found = security_groups::describe_security_groups(ec2.clone(), cx.clone(), input).await;
        assert_eq!(found.unwrap().security_groups.unwrap().len(), count);
    }
    let input = api::DescribeSecurityGroupRulesInput {
        filters: filter("group-id", &[&p.vpc.security_group_id]),
        ..Default::default()
    };
    let rules = security_groups::describe_security_group_rules(ec2, cx, input)
        .await
        .unwrap();
    assert_eq!(rules.security_group_rules.unwrap().len(), 2);
}

#[tokio::test]
async fn routes_gateway_and_acl() {
    let p = place();
    let (ec2, cx) = p.cx();
    let main = api::DescribeRouteTablesInput {
        filters: filter("association.main", &["true"]),
        ..Default::default()
    };
    let tables = routing::describe_route_tables(ec2.clone(), cx.clone(), main)
        .await
        .unwrap();
    let routes = tables.route_tables.unwrap().remove(0).routes.unwrap();
    let gateways: Vec<_> = routes.into_iter().filter_map(|r| r.gateway_id).collect();
    assert_eq!(gateways, ["local", &p.vpc.internet_gateway_id]);

    let attached = api::DescribeInternetGatewaysInput {
        filters: filter("attachment.vpc-id", &[&p.vpc.vpc_id]),
        ..Default::default()
    };
    let found = routing::describe_internet_gateways(ec2.clone(), cx.clone(), attached).await;
    assert_eq!(found.unwrap().internet_gateways.unwrap().len(), 1);

    let acl = api::DescribeNetworkAclsInput {
        filters: filter("association.subnet-id", &[&p.vpc.subnets[2].id]),
        ..Default::default()
    };
    let acls = acls::describe_network_acls(ec2, cx, acl)
        .await
        .unwrap()
        .network_acls
        .unwrap();
    assert_eq!((acls.len(), acls[0].is_default), (1, Some(true)));
    assert_eq!(acls[0].entries.as_ref().unwrap().len(), 4);
}

#[tokio::test]
async fn a_tasks_interface_is_shown_until_it_is_released() {
    let p = place();
    let eni = p.interface(0).await;
    p.interface(0).await;
    let describe = |input| {
        let (ec2, cx) = p.cx();
        async { interfaces::describe_network_interfaces(ec2, cx, input).await }
    };
    let by_address = api::DescribeNetworkInterfacesInput {
        filters: filter(
            "addresses.private-ip-address",
            &[&eni.private_ipv4.to_string()],
        ),
        ..Default::default()
    };
    let found = describe(by_address)
        .await
        .unwrap()
        .network_interfaces
        .unwrap();
    let [shown] = found.as_slice() else {
        panic!("one of the two")
    };
    assert_eq!(shown.network_interface_id.as_ref(), Some(&eni.id));
    assert_eq!(shown.mac_address.as_ref(), Some(&eni.mac));
    assert_eq!(
        shown.groups.as_ref().unwrap()[0].group_name.as_deref(),
        Some("default")
    );
    assert_eq!(
        shown.attachment.as_ref().unwrap().status.as_deref(),
        Some("attached")
    );

    let gone = api::DescribeNetworkInterfacesInput {
        network_interface_ids: ids("eni-0123456789abcdef0"),
        ..Default::default()
    };
    refused(
        describe(gone).await,
        "InvalidNetworkInterfaceID.NotFound",
        "The networkInterface ID 'eni-0123456789abcdef0' does not exist",
    );
    let none = api::DescribeNetworkInterfacesInput {
        filters: filter("attachment.instance-id", &["i-*"]),
        ..Default::default()
    };
    assert_eq!(
        describe(none)
            .await
            .unwrap()
            .network_interfaces
            .unwrap()
            .len(),
        0
    );
}

#[tokio::test]
async fn tags_are_kept_shown_and_filtered_by() {
    let p = place();
    let (vpc, subnet) = (p.vpc.vpc_id.as_str(), p.vpc.subnets[0].id.as_str());
    p.tag(&[vpc, subnet], &[("Name", "main"), ("team", "a*b")])
        .await
        .unwrap();
    p.tag(&[vpc], &[("Name", "renamed")]).await.unwrap();
    let (all, _) = p.tags(api::DescribeTagsInput::default()).await;
    assert_eq!(
        all,
        [
            "subnet Name=main",
            "subnet team=a*b",
            "vpc Name=renamed",
            "vpc team=a*b"
        ]
    );
    let kind = api::DescribeTagsInput {
        filters: filter("resource-type", &["v?c"]),
        ..Default::default()
    };
    assert_eq!(p.tags(kind).await.0.len(), 2);
    let literal = api::DescribeTagsInput {
        filters: filter("value", &["a\\*b"]),
        ..Default::default()
    };
    assert_eq!(p.tags(literal).await.0.len(), 2);
    let by_tag = api::DescribeVpcsInput {
        filters: filter("tag:Name", &["ren*"]),
        ..Default::default()
    };
    let found = p.vpcs(by_tag).await.unwrap();
    assert_eq!(found[0].tags.as_ref().unwrap().len(), 2);

    p.untag(vpc, Some(pairs(&[("Name", "other")]))).await;
    p.untag(
        vpc,
        Some(vec![api::Tag {
            key: Some("team".into()),
            value: None,
        }]),
    )
    .await;
    p.untag(subnet, None).await;
    assert_eq!(
        p.tags(api::DescribeTagsInput::default()).await.0,
        ["vpc Name=renamed"]
    );
    p.untag(vpc, Some(pairs(&[("Name", "renamed")]))).await;
    p.untag(vpc, None).await;
    assert_eq!(
        p.tags(api::DescribeTagsInput::default()).await.0,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn tags_that_are_refused() {
    let p = place();
    let vpc = p.vpc.vpc_id.as_str();
    let tag = [("k", "v")];
    refused(
        p.tag(&["nonsense"], &tag).await,
        "InvalidID",
        "The ID 'nonsense' is not valid",
    );
    assert_eq!(
        p.tag(&["subnet-1"], &tag).await.unwrap_err().code,
        "InvalidSubnetID.NotFound"
    );
    assert_eq!(
        p.tag(&["i-xyz"], &tag).await.unwrap_err().code,
        "InvalidInstanceID.Malformed"
    );
    assert_eq!(p.tag(&[], &tag).await.unwrap_err().code, "MissingParameter");
    assert_eq!(
        p.tag(&[vpc], &[]).await.unwrap_err().code,
        "MissingParameter"
    );
    assert_eq!(
        p.tag(&[vpc], &[("aws:x", "v")]).await.unwrap_err().code,
        "InvalidParameterValue"
    );
    for n in 0..50 {
        p.tag(&[vpc], &[(&n.to_string(), "")]).await.unwrap();
    }
    assert_eq!(
        p.tag(&[vpc], &[("one more", "")]).await.unwrap_err().code,
        "TagLimitExceeded"
    );
    // One id of two does not exist: nothing is tagged.
    p.tag(&[&p.vpc.subnets[0].id, "eni-1"], &tag)
        .await
        .unwrap_err();
    let (_, next) = p
        .tags(api::DescribeTagsInput {
            max_results: Some(5),
            ..Default::default()
        })
        .await;
    let rest = api::DescribeTagsInput {
        next_token: next,
        ..Default::default()
    };
    assert_eq!(p.tags(rest).await.0.len(), 45);
}

#[tokio::test]
async fn places() {
    let p = place();
    let (ec2, cx) = p.cx();
    let zones = api::DescribeAvailabilityZonesInput::default();
    let zones = places::describe_availability_zones(ec2.clone(), cx.clone(), zones)
        .await
        .unwrap();
    let ids: Vec<_> = zones
        .availability_zones
        .unwrap()
        .into_iter()
        .filter_map(|z| z.zone_id)
        .collect();
    assert_eq!(ids, ["use1-az1", "use1-az2", "use1-az3"]);
    for (region, id) in [
        ("ap-southeast-2", "apse2-az1"),
        ("us-gov-west-1", "usgw1-az1"),
        ("cn-northwest-1", "cnnw1-az1"),
        ("ca-central-1", "cac1-az1"),
    ] {
        assert_eq!(super::api::places::zone_id(&region.parse().unwrap(), 0), id);
    }
    let one = api::DescribeRegionsInput {
        region_names: Some(vec!["eu-west-1".into()]),
        ..Default::default()
    };
    let regions = places::describe_regions(ec2.clone(), cx.clone(), one)
        .await
        .unwrap()
        .regions
        .unwrap();
    assert_eq!(
        regions[0].endpoint.as_deref(),
        Some("ec2.eu-west-1.amazonaws.com")
    );
    let bad = api::DescribeRegionsInput {
        region_names: Some(vec!["mars-1".into()]),
        ..Default::default()
    };
    assert_eq!(
        places::describe_regions(ec2, cx, bad)
            .await
            .unwrap_err()
            .code,
        "InvalidParameterValue"
    );
}

#[tokio::test]
async fn account_and_instances() {
    let p = place();
    let (ec2, cx) = p.cx();
    let input = api::DescribeAccountAttributesInput {
        attribute_names: Some(vec!["default-vpc".into()]),
        ..Default::default()
    };
    let out = account::describe_account_attributes(ec2.clone(), cx.clone(), input)
        .await
        .unwrap();
    let attribute = out.account_attributes.unwrap().remove(0);
    assert_eq!(
        attribute.attribute_values.unwrap()[0]
            .attribute_value
            .as_ref(),
        Some(&p.vpc.vpc_id)
    );
    let none = account::describe_instances(
        ec2.clone(),
        cx.clone(),
        api::DescribeInstancesInput::default(),
    );
    assert_eq!(none.await.unwrap().reservations, Some(vec![]));
    let input = api::DescribeInstancesInput {
        instance_ids: ids("i-1"),
        ..Default::default()
    };
    refused(
        account::describe_instances(ec2.clone(), cx.clone(), input).await,
        "InvalidInstanceID.NotFound",
        "The instance ID 'i-1' does not exist",
    );
    for (attribute, on) in [("enableDnsSupport", true), ("enableDnsHostnames", true)] {
        let input = api::DescribeVpcAttributeInput {
            attribute: attribute.into(),
            vpc_id: p.vpc.vpc_id.clone(),
            dry_run: None,
        };
        let out = vpcs::describe_vpc_attribute(ec2.clone(), cx.clone(), input)
            .await
            .unwrap();
        let value = out
            .enable_dns_support
            .or(out.enable_dns_hostnames)
            .and_then(|v| v.value);
        assert_eq!(value, Some(on), "{attribute}");
    }
}

#[tokio::test]
async fn regions_and_accounts_are_apart() {
    let p = place();
    p.tag(&[&p.vpc.vpc_id], &[("k", "v")]).await.unwrap();
    p.interface(0).await;
    let mut elsewhere = p.cx.clone();
    elsewhere.scope.region = "eu-west-1".parse().unwrap();
    let input = api::DescribeVpcsInput {
        vpc_ids: Some(vec![p.vpc.vpc_id.clone()]),
        ..Default::default()
    };
    assert!(
        vpcs::describe_vpcs(p.ec2.clone(), elsewhere.clone(), input)
            .await
            .is_err()
    );
    let input = api::DescribeNetworkInterfacesInput::default();
    let out =
        interfaces::describe_network_interfaces(p.ec2.clone(), elsewhere.clone(), input).await;
    assert_eq!(out.unwrap().network_interfaces, Some(vec![]));
    let out =
        tags::describe_tags(p.ec2.clone(), elsewhere, api::DescribeTagsInput::default()).await;
    assert_eq!(out.unwrap().tags, Some(vec![]));
}

#[test]
fn every_taken_operation_is_in_the_table() {
    let table = super::table(Arc::new(Ec2::default()));
    let missing: Vec<_> = table
        .schema()
        .operations
        .iter()
        .filter(|o| o.taken)
        .filter(|o| table.status(o.name) == neargate_service::Status::NotYet)
        .map(|o| o.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn forms_of_ids() {
    for good in ["vpc-0", "vpc-0123456789abcdef0", "vpc-1a2b3c4d"] {
        assert!(kind::VPC.check(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "vpc",
        "vpc-",
        "vpc-xyz",
        "vpc-ABC",
        "subnet-1",
        "vpc-0123456789abcdef01",
    ] {
        assert!(kind::VPC.check(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_stored_form_is_pinned() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    neargate_service::golden::check::<super::model::Tagged>(dir);
}
