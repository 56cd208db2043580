//! Load balancers, their subnets, groups and attributes.

use super::*;
use crate::edges;
use neargate_service::eni::{self, Interface};
use neargate_service::vpc::ElasticIp;
use neargate_service::{Committed, db};

impl Place {
    async fn described(&self, arn: &str) -> api::LoadBalancer {
        let input = api::DescribeLoadBalancersInput {
            load_balancer_arns: Some(vec![arn.into()]),
            ..Default::default()
        };
        let found = self.call(ops::DescribeLoadBalancers, input).await.unwrap();
        found.load_balancers.unwrap().remove(0)
    }

    async fn interfaces(&self) -> Vec<Interface> {
        let all = self
            .cx
            .db()
            .list::<Interface>(&self.cx.scope)
            .await
            .unwrap();
        all.into_iter().map(|s| s.value).collect()
    }

    async fn delete(&self, arn: &str) -> Result<(), AwsError> {
        let input = api::DeleteLoadBalancerInput {
            load_balancer_arn: arn.into(),
        };
        self.call(ops::DeleteLoadBalancer, input).await.map(drop)
    }

    async fn set(&self, arn: &str, pairs: &[(&str, &str)]) -> Result<(), AwsError> {
        let pair = |(key, value): &(&str, &str)| api::LoadBalancerAttribute {
            key: some(key),
            value: some(value),
        };
        let input = api::ModifyLoadBalancerAttributesInput {
            load_balancer_arn: arn.into(),
            attributes: pairs.iter().map(pair).collect(),
        };
        self.call(ops::ModifyLoadBalancerAttributes, input)
            .await
            .map(drop)
    }

    async fn elastic_ip(&self, id: &str) {
        let address = eni::free_public(&self.cx.house, &[]).await.unwrap();
        let elastic = ElasticIp {
            public_ipv4: address,
            association_id: None,
            interface_id: None,
            allocated_at: self.cx.now(),
        };
        let tx = self.cx.db().tx();
        let tx = tx.create(db::key::<ElasticIp>(&self.cx.scope, id), &elastic);
        assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
    }
}

#[tokio::test]
async fn one_is_made_as_aws_describes_it() {
    let place = place();
    let made = place.try_make(place.application("web")).await.unwrap();
    let arn = made.load_balancer_arn.clone().unwrap();
    let (start, id) = arn.rsplit_once('/').unwrap();
    assert_eq!(
        start,
        "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web"
    );
    assert!(
        id.len() == 16 && id.chars().all(|c| c.is_ascii_hexdigit()),
        "{id}"
    );
    let name = made.dns_name.clone().unwrap();
    let digits = name.strip_prefix("web-").unwrap();
    let digits = digits.strip_suffix(".us-east-1.elb.amazonaws.com").unwrap();
    assert!(digits.chars().all(|c| c.is_ascii_digit()), "{name}");
    assert_eq!(
        made.canonical_hosted_zone_id.as_deref(),
        Some("Z35SXDOTRQ7X7K")
    );
    assert_eq!(made.scheme.as_deref(), Some("internet-facing"));
    assert_eq!(made.r#type.as_deref(), Some("application"));
    assert_eq!(made.ip_address_type.as_deref(), Some("ipv4"));
    assert_eq!(made.vpc_id.as_ref(), Some(&place.vpc.vpc_id));
    assert_eq!(
        made.security_groups,
        Some(vec![place.vpc.security_group_id.clone()])
    );
    assert_eq!(
        made.state.as_ref().unwrap().code.as_deref(),
        Some("provisioning")
    );
    let zones = made.availability_zones.clone().unwrap();
    assert_eq!(zones.len(), 2);
    assert_eq!(zones[0].subnet_id.as_ref(), Some(&place.vpc.subnets[0].id));
    assert_eq!(zones[0].load_balancer_addresses, Some(vec![]));

    let owner = format!("ELB app/web/{id}");
    let interfaces = place.interfaces().await;
    assert_eq!(interfaces.len(), 2);
    for interface in &interfaces {
        assert_eq!(
            (&interface.task_arn, &interface.description),
            (&owner, &owner)
        );
        assert!(interface.public.is_some());
    }
    assert_eq!(place.described(&arn).await, made);

    edges::set_state(&place.cx.house, &arn, Ok(()))
        .await
        .unwrap();
    let state = place.described(&arn).await.state.unwrap();
    assert_eq!(
        (state.code.as_deref(), state.reason),
        (Some("active"), None)
    );
    let problem = Err("its port is taken".to_owned());
    edges::set_state(&place.cx.house, &arn, problem)
        .await
        .unwrap();
    let state = place.described(&arn).await.state.unwrap();
    assert_eq!(state.code.as_deref(), Some("active_impaired"));
    assert_eq!(state.reason.as_deref(), Some("its port is taken"));
}

#[tokio::test]
async fn the_same_call_again_means_the_same_one() {
    let place = place();
    let first = place.make(place.application("web")).await;
    assert_eq!(place.make(place.application("web")).await, first);
    let different = api::CreateLoadBalancerInput {
        subnets: place.subnets(3),
        ..place.application("web")
    };
    refused(
        place.try_make(different).await,
        "DuplicateLoadBalancerName",
        "A load balancer with the same name 'web' exists, but with different settings",
    );
    refused_as(
        place.try_make(place.network("web")).await,
        "DuplicateLoadBalancerName",
    );
    place.delete(&first).await.unwrap();
    assert_ne!(place.make(place.application("web")).await, first);
}

#[tokio::test]
async fn of_calls_at_once_one_is_first() {
    let place = place();
    let (a, b) = tokio::join!(
        place.try_make(place.application("web")),
        place.try_make(place.application("web"))
    );
    let (a, b) = (a.unwrap().load_balancer_arn, b.unwrap().load_balancer_arn);
    assert_eq!(a, b, "the second call means what the first one made");
    assert_eq!(place.interfaces().await.len(), 2);

    let listener = place.listen(&a.unwrap(), 80, answer("404")).await;
    let rule = || place.try_rule(&listener, 1, vec![path("/a")], vec![answer("200")]);
    let (first, second) = tokio::join!(rule(), rule());
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");

    let group = place.group("web").await;
    let delete = api::DeleteTargetGroupInput {
        target_group_arn: group.clone(),
    };
    let (deleted, made) = tokio::join!(
        place.call(ops::DeleteTargetGroup, delete),
        place.try_rule(&listener, 2, vec![path("/b")], vec![forward(&group)])
    );
    assert!(deleted.is_ok() != made.is_ok(), "{deleted:?} {made:?}");

    let group = place.group("many").await;
    let address = place.address(0, 20);
    let one = |n: i32| {
        let (place, group, address) = (&place, &group, &address);
        async move {
            place
                .try_register(group, &[(address.as_str(), Some(n))])
                .await
        }
    };
    let all = (1..=40).map(one);
    for done in futures_util::future::join_all(all).await {
        done.unwrap();
    }
    assert_eq!(place.health(&group).await.len(), 40);
}

#[tokio::test]
async fn deleted_ones_leave_nothing() {
    let place = place();
    let arn = place.make(place.application("web")).await;
    place.listen(&arn, 80, answer("200")).await;
    place.delete(&arn).await.unwrap();
    assert!(place.interfaces().await.is_empty());
    let left = place.cx.db().store().range("elbv2/", None, 10, None);
    assert_eq!(left.await.unwrap().entries, vec![]);
    place.delete(&arn).await.unwrap();
    refused(
        place.delete("web").await,
        "ValidationError",
        "'web' is not a valid load balancer ARN",
    );
    let input = api::DescribeLoadBalancersInput {
        load_balancer_arns: Some(vec![arn]),
        ..Default::default()
    };
    refused(
        place.call(ops::DescribeLoadBalancers, input).await,
        "LoadBalancerNotFound",
        "One or more load balancers not found",
    );
}

#[tokio::test]
async fn names_are_checked() {
    let place = place();
    let long = "a".repeat(33);
    for (name, message) in [
        ("", "The load balancer name cannot be empty"),
        (
            "a_b",
            "The load balancer name 'a_b' can only contain characters that are alphanumeric characters and hyphens(-)",
        ),
        (
            "-a",
            "The load balancer name '-a' cannot begin or end with '-'",
        ),
        (
            "internal-a",
            "The load balancer name 'internal-a' cannot begin with 'internal-'",
        ),
    ] {
        refused(
            place.try_make(place.application(name)).await,
            "ValidationError",
            message,
        );
    }
    refused_as(
        place.try_make(place.application(&long)).await,
        "ValidationError",
    );
}

#[tokio::test]
async fn subnets_are_checked() {
    let place = place();
    let with = |subnets: Vec<&str>| api::CreateLoadBalancerInput {
        subnets: Some(subnets.into_iter().map(str::to_owned).collect()),
        ..place.application("web")
    };
    let first = place.vpc.subnets[0].id.as_str();
    for subnets in [vec![first], vec![first, first]] {
        refused(
            place.try_make(with(subnets)).await,
            "ValidationError",
            "At least two subnets in two different Availability Zones must be specified",
        );
    }
    refused(
        place.try_make(with(vec![first, "subnet-0"])).await,
        "SubnetNotFound",
        "The subnet ID 'subnet-0' does not exist",
    );
    refused_as(place.try_make(with(vec![])).await, "ValidationError");
    let one = api::CreateLoadBalancerInput {
        r#type: some("network"),
        ..with(vec![first])
    };
    place.make(one).await;
    assert_eq!(place.interfaces().await.len(), 1);
}

#[tokio::test]
async fn groups_are_checked_and_changed() {
    let place = place();
    let arn = place.make(place.application("web")).await;
    let set = async |groups: &[&str]| {
        let input = api::SetSecurityGroupsInput {
            load_balancer_arn: arn.clone(),
            security_groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            enforce_security_group_inbound_rules_on_private_link_traffic: None,
        };
        place.call(ops::SetSecurityGroups, input).await
    };
    let own = place.vpc.security_group_id.as_str();
    let out = set(&[own]).await.unwrap();
    assert_eq!(out.security_group_ids, Some(vec![own.to_owned()]));
    refused(
        set(&["sg-0"]).await,
        "InvalidSecurityGroup",
        "The security group 'sg-0' does not exist",
    );
    refused_as(set(&[]).await, "InvalidConfigurationRequest");
    for interface in place.interfaces().await {
        assert_eq!(interface.interface.security_groups, [own]);
    }
    let network = place.make(place.network("tcp")).await;
    let input = api::SetSecurityGroupsInput {
        load_balancer_arn: network,
        security_groups: vec![own.into()],
        enforce_security_group_inbound_rules_on_private_link_traffic: None,
    };
    refused_as(
        place.call(ops::SetSecurityGroups, input).await,
        "InvalidConfigurationRequest",
    );
}

#[tokio::test]
async fn subnets_are_changed() {
    let place = place();
    let arn = place.make(place.application("web")).await;
    let before = place.interfaces().await;
    let set = |subnets: &[usize]| {
        let ids = subnets.iter().map(|n| place.vpc.subnets[*n].id.clone());
        api::SetSubnetsInput {
            load_balancer_arn: arn.clone(),
            subnets: Some(ids.collect()),
            ..Default::default()
        }
    };
    let out = place.call(ops::SetSubnets, set(&[1, 2])).await.unwrap();
    assert_eq!(out.availability_zones.unwrap().len(), 2);
    let after = place.interfaces().await;
    let id = |i: &Interface| i.interface.id.clone();
    let kept: Vec<_> = after
        .iter()
        .filter(|a| before.iter().any(|b| id(b) == id(a)))
        .collect();
    assert_eq!(
        (after.len(), kept.len()),
        (2, 1),
        "the subnet that stays keeps its interface"
    );
    assert_eq!(kept[0].interface.subnet_id, place.vpc.subnets[1].id);
    refused_as(
        place.call(ops::SetSubnets, set(&[0])).await,
        "ValidationError",
    );

    let network = place.make(place.network("tcp")).await;
    let moved = api::SetSubnetsInput {
        load_balancer_arn: network,
        ..set(&[1, 2])
    };
    refused_as(
        place.call(ops::SetSubnets, moved).await,
        "InvalidConfigurationRequest",
    );
}

#[tokio::test]
async fn network_ones_have_addresses_of_their_own() {
    let place = place();
    place.elastic_ip("eipalloc-1").await;
    let mapping = api::SubnetMapping {
        subnet_id: Some(place.vpc.subnets[0].id.clone()),
        allocation_id: some("eipalloc-1"),
        ..Default::default()
    };
    let with = |mapping: api::SubnetMapping| api::CreateLoadBalancerInput {
        subnets: None,
        subnet_mappings: Some(vec![mapping]),
        ..place.network("tcp")
    };
    let made = place.try_make(with(mapping.clone())).await.unwrap();
    let id = made
        .load_balancer_arn
        .as_deref()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap();
    assert_eq!(
        made.dns_name,
        Some(format!("tcp-{id}.elb.us-east-1.amazonaws.com"))
    );
    assert_eq!(made.security_groups, None);
    let address = made.availability_zones.unwrap()[0]
        .load_balancer_addresses
        .clone();
    let address = address.unwrap().remove(0);
    assert_eq!(address.allocation_id.as_deref(), Some("eipalloc-1"));
    assert!(address.ip_address.is_some());
    let again = api::CreateLoadBalancerInput {
        name: "other".into(),
        ..with(mapping.clone())
    };
    refused_as(place.try_make(again).await, "ResourceInUse");
    place
        .delete(made.load_balancer_arn.as_deref().unwrap())
        .await
        .unwrap();
    let elastic = place
        .cx
        .db()
        .get::<ElasticIp>(&place.cx.scope, "eipalloc-1")
        .await;
    assert_eq!(elastic.unwrap().unwrap().interface_id, None);

    let unknown = api::SubnetMapping {
        allocation_id: some("eipalloc-2"),
        ..mapping.clone()
    };
    refused_as(place.try_make(with(unknown)).await, "AllocationIdNotFound");
    let application = api::CreateLoadBalancerInput {
        r#type: None,
        ..with(mapping)
    };
    refused(
        place.try_make(application).await,
        "InvalidConfigurationRequest",
        "Elastic IPs are not supported for load balancers with type 'application'",
    );
}

#[tokio::test]
async fn internal_ones_choose_private_addresses() {
    let place = place();
    let base = u32::from(place.vpc.subnets[0].base);
    let address = std::net::Ipv4Addr::from(base + 77).to_string();
    let with = |scheme: &str| api::CreateLoadBalancerInput {
        scheme: some(scheme),
        subnets: None,
        subnet_mappings: Some(vec![api::SubnetMapping {
            subnet_id: Some(place.vpc.subnets[0].id.clone()),
            private_ipv4_address: some(&address),
            ..Default::default()
        }]),
        ..place.network("tcp")
    };
    refused(
        place.try_make(with("internet-facing")).await,
        "InvalidConfigurationRequest",
        "You can only specify private IPv4 addresses for Network Load Balancers with scheme 'internal'.",
    );
    let made = place.try_make(with("internal")).await.unwrap();
    let zones = made.availability_zones.unwrap();
    let shown = &zones[0].load_balancer_addresses.as_ref().unwrap()[0];
    assert_eq!(shown.private_ipv4_address.as_ref(), Some(&address));
    assert!(place.interfaces().await[0].public.is_none());
    let taken = api::CreateLoadBalancerInput {
        name: "other".into(),
        ..with("internal")
    };
    refused_as(place.try_make(taken).await, "InvalidConfigurationRequest");
}

#[tokio::test]
async fn attributes_are_complete_checked_and_acted_on() {
    let place = place();
    let arn = place.make(place.application("web")).await;
    let input = api::DescribeLoadBalancerAttributesInput {
        load_balancer_arn: arn.clone(),
    };
    let out = place.call(ops::DescribeLoadBalancerAttributes, input).await;
    let all = out.unwrap().attributes.unwrap();
    assert_eq!(all.len(), 23);
    assert!(all.iter().all(|a| a.value.is_some()));

    refused(
        place
            .set(&arn, &[("idle_timeout.timeout_seconds", "0")])
            .await,
        "ValidationError",
        "'idle_timeout.timeout_seconds' value '0' must be between '1-4000' inclusive",
    );
    refused(
        place.set(&arn, &[("idle.timeout", "0")]).await,
        "ValidationError",
        "Load balancer attribute key 'idle.timeout' is not recognized",
    );
    let key = "dns_record.client_routing_policy";
    refused(
        place.set(&arn, &[(key, "any_availability_zone")]).await,
        "InvalidConfigurationRequest",
        "Load balancer attribute key 'dns_record.client_routing_policy' is not supported on load balancers with type 'application'",
    );
    refused_as(
        place
            .set(&arn, &[("zonal_shift.config.enabled", "true")])
            .await,
        "InvalidConfigurationRequest",
    );
    place
        .set(&arn, &[("zonal_shift.config.enabled", "false")])
        .await
        .unwrap();
    refused(
        place.set(&arn, &[("access_logs.s3.enabled", "true")]).await,
        "InvalidConfigurationRequest",
        "The key 'access_logs.s3.bucket' must set in order to enable access logs",
    );
    let logs = [
        ("access_logs.s3.enabled", "true"),
        ("access_logs.s3.bucket", "logs"),
    ];
    place.set(&arn, &logs).await.unwrap();
    refused(
        place
            .set(&arn, &[("access_logs.s3.bucket", "missing")])
            .await,
        "InvalidConfigurationRequest",
        "Access Denied for bucket: missing. Please check S3bucket permission",
    );
    for (key, value) in [
        ("access_logs.s3.bucket", "../up"),
        ("access_logs.s3.prefix", "a/../b"),
        ("access_logs.s3.prefix", "AWSLogs"),
    ] {
        refused_as(
            place.set(&arn, &[(key, value)]).await,
            "InvalidConfigurationRequest",
        );
    }
    let network = place.make(place.network("net")).await;
    place.set(&network, &logs).await.unwrap();
    for mode in ["monitor", "strictest"] {
        let mode = [("routing.http.desync_mitigation_mode", mode)];
        place.set(&arn, &mode).await.unwrap();
    }

    let protection = "deletion_protection.enabled";
    place.set(&arn, &[(protection, "true")]).await.unwrap();
    refused(
        place.delete(&arn).await,
        "OperationNotPermitted",
        &format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled"),
    );
    place.set(&arn, &[(protection, "false")]).await.unwrap();
    place.delete(&arn).await.unwrap();
}

#[tokio::test]
async fn they_are_found_by_name_and_in_pages() {
    let place = place();
    for name in ["b", "a", "c"] {
        place.make(place.network(name)).await;
    }
    let names = |out: api::DescribeLoadBalancersOutput| -> Vec<String> {
        let all = out.load_balancers.unwrap().into_iter();
        all.map(|l| l.load_balancer_name.unwrap()).collect()
    };
    let input = api::DescribeLoadBalancersInput {
        names: Some(vec!["c".into(), "a".into()]),
        ..Default::default()
    };
    let out = place.call(ops::DescribeLoadBalancers, input).await.unwrap();
    assert_eq!(names(out), ["a", "c"]);
    let input = api::DescribeLoadBalancersInput {
        names: Some(vec!["c".into(), "d".into()]),
        ..Default::default()
    };
    refused(
        place.call(ops::DescribeLoadBalancers, input).await,
        "LoadBalancerNotFound",
        "Load balancers '[d]' not found",
    );
    let first = api::DescribeLoadBalancersInput {
        page_size: Some(2),
        ..Default::default()
    };
    let out = place
        .call(ops::DescribeLoadBalancers, first.clone())
        .await
        .unwrap();
    let marker = out.next_marker.clone();
    assert_eq!(names(out), ["a", "b"]);
    let second = api::DescribeLoadBalancersInput { marker, ..first };
    let out = place
        .call(ops::DescribeLoadBalancers, second)
        .await
        .unwrap();
    assert_eq!(out.next_marker, None);
    assert_eq!(names(out), ["c"]);
}

#[tokio::test]
async fn what_is_not_carried_is_refused_by_name() {
    let place = place();
    let refuse = async |change: fn(&mut api::CreateLoadBalancerInput), name: &str| {
        let mut input = place.application("web");
        change(&mut input);
        let e = place.try_make(input).await.unwrap_err();
        assert_eq!(e.code, "InvalidConfigurationRequest");
        assert!(e.message.contains(name), "{}", e.message);
    };
    refuse(|i| i.r#type = some("gateway"), "gateway").await;
    refuse(|i| i.ip_address_type = some("dualstack"), "dualstack").await;
    refuse(
        |i| i.customer_owned_ipv4_pool = some("ipv4pool-coip-1"),
        "CustomerOwned",
    )
    .await;
    refuse(
        |i| i.ipam_pools = Some(api::IpamPools::default()),
        "IpamPools",
    )
    .await;
}
