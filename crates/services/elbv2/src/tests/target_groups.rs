//! Target groups, their health checks and attributes.

use super::*;

impl Place {
    async fn set_of_group(&self, group: &str, pairs: &[(&str, &str)]) -> Result<(), AwsError> {
        let pair = |(key, value): &(&str, &str)| api::TargetGroupAttribute {
            key: some(key),
            value: some(value),
        };
        let input = api::ModifyTargetGroupAttributesInput {
            target_group_arn: group.into(),
            attributes: pairs.iter().map(pair).collect(),
        };
        self.call(ops::ModifyTargetGroupAttributes, input)
            .await
            .map(drop)
    }

    async fn attributes(&self, group: &str) -> std::collections::BTreeMap<String, String> {
        let input = api::DescribeTargetGroupAttributesInput {
            target_group_arn: group.into(),
        };
        let out = self.call(ops::DescribeTargetGroupAttributes, input).await;
        let all = out.unwrap().attributes.unwrap().into_iter();
        all.map(|a| (a.key.unwrap(), a.value.unwrap())).collect()
    }

    async fn delete_group(&self, group: &str) -> Result<(), AwsError> {
        let input = api::DeleteTargetGroupInput {
            target_group_arn: group.into(),
        };
        self.call(ops::DeleteTargetGroup, input).await.map(drop)
    }

    async fn groups(&self, input: api::DescribeTargetGroupsInput) -> Result<Vec<String>, AwsError> {
        let out = self.call(ops::DescribeTargetGroups, input).await?;
        let all = out.target_groups.unwrap().into_iter();
        Ok(all.map(|g| g.target_group_name.unwrap()).collect())
    }
}

fn checks(group: &api::TargetGroup) -> String {
    let matcher = group.matcher.clone().unwrap_or_default();
    format!(
        "{} {} {} {}/{} {}/{} {}",
        group.health_check_protocol.clone().unwrap(),
        group.health_check_port.clone().unwrap(),
        group.health_check_path.clone().unwrap_or_default(),
        group.health_check_timeout_seconds.unwrap(),
        group.health_check_interval_seconds.unwrap(),
        group.healthy_threshold_count.unwrap(),
        group.unhealthy_threshold_count.unwrap(),
        matcher.http_code.or(matcher.grpc_code).unwrap_or_default(),
    )
}

#[tokio::test]
async fn defaults_are_awss() {
    let place = place();
    let make = async |name: &str, change: fn(&mut api::CreateTargetGroupInput)| {
        let mut input = place.group_input(name, "HTTP");
        change(&mut input);
        place.try_group(input).await.unwrap()
    };
    let http = make("a", |_| {}).await;
    assert_eq!(checks(&http), "HTTP traffic-port / 5/30 5/2 200");
    assert_eq!(http.protocol_version.as_deref(), Some("HTTP1"));
    assert_eq!(http.load_balancer_arns, Some(vec![]));
    assert_eq!(http.ip_address_type.as_deref(), Some("ipv4"));
    assert_eq!(http.health_check_enabled, Some(true));
    let grpc = make("b", |i| i.protocol_version = some("GRPC")).await;
    assert_eq!(
        checks(&grpc),
        "HTTP traffic-port /AWS.ALB/healthcheck 5/30 5/2 12"
    );
    let tcp = make("c", |i| i.protocol = some("TCP")).await;
    assert_eq!(checks(&tcp), "TCP traffic-port  10/30 5/2 ");
    assert_eq!(tcp.protocol_version, None);
    let checked = make("d", |i| {
        i.protocol = some("TCP");
        i.health_check_protocol = some("HTTP");
    });
    assert_eq!(
        checks(&checked.await),
        "HTTP traffic-port / 6/30 5/2 200-399"
    );
    let alb = make("e", |i| {
        i.protocol = some("TCP");
        i.target_type = some("alb");
    });
    assert_eq!(checks(&alb.await), "HTTP traffic-port / 6/30 5/2 200-399");
    let empty = make("g", |i| i.protocol_version = some(""));
    assert_eq!(empty.await.protocol_version.as_deref(), Some("HTTP1"));
    let default = make("f", |i| i.target_type = None).await;
    assert_eq!(default.target_type.as_deref(), Some("instance"));
}

#[tokio::test]
async fn bad_ones_are_refused() {
    let place = place();
    let refuse = async |change: fn(&mut api::CreateTargetGroupInput), code: &str, message: &str| {
        let mut input = place.group_input("web", "HTTP");
        change(&mut input);
        refused(place.try_group(input).await, code, message);
    };
    let validation = "ValidationError";
    refuse(
        |i| i.protocol = None,
        validation,
        "A protocol must be specified",
    )
    .await;
    refuse(|i| i.port = None, validation, "A port must be specified").await;
    refuse(
        |i| i.vpc_id = None,
        validation,
        "A VPC ID must be specified",
    )
    .await;
    refuse(
        |i| i.vpc_id = some("vpc-0"),
        validation,
        "The VPC ID 'vpc-0' is not found",
    )
    .await;
    refuse(
        |i| i.name = "a--".into(),
        validation,
        "1 validation error detected: Value 'a--' at 'targetGroup.targetGroupArn.targetGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$",
    )
    .await;
    refuse(
        |i| {
            i.health_check_timeout_seconds = Some(30);
            i.health_check_interval_seconds = Some(30);
        },
        validation,
        "Health check timeout '30' must be smaller than the interval '30'",
    )
    .await;
    refuse(
        |i| i.health_check_protocol = some("TCP"),
        "InvalidConfigurationRequest",
        "Health check protocol 'TCP' is not supported for target groups with the HTTP protocol",
    )
    .await;
    refuse(
        |i| i.health_check_enabled = Some(false),
        "InvalidConfigurationRequest",
        "Health checks cannot be disabled for target groups with target type 'ip'",
    )
    .await;
    refuse(
        |i| {
            i.matcher = Some(api::Matcher {
                http_code: some("200,500"),
                grpc_code: None,
            });
        },
        validation,
        "Health check matcher '200,500' must be values or ranges of values between '200-499'",
    )
    .await;
    refuse(
        |i| {
            i.protocol = some("TCP");
            i.health_check_path = some("/");
        },
        "InvalidConfigurationRequest",
        "Health check paths are not supported for TCP health checks",
    )
    .await;
    refuse(
        |i| i.target_type = some("lambda"),
        "InvalidConfigurationRequest",
        "Neargate does not support target groups with target type 'lambda' yet.",
    )
    .await;
    refuse(
        |i| i.protocol = some("GENEVE"),
        "InvalidConfigurationRequest",
        "Neargate does not support the protocol 'GENEVE' yet.",
    )
    .await;
    let mut input = place.group_input("web", "FTP");
    refused_as(place.try_group(input.clone()).await, "ValidationError");
    input.protocol = some("HTTP");
    input.healthy_threshold_count = Some(11);
    refused_as(place.try_group(input).await, "ValidationError");
}

#[tokio::test]
async fn the_same_call_again_means_the_same_one() {
    let place = place();
    let first = place.group("web").await;
    assert_eq!(place.group("web").await, first);
    let other = api::CreateTargetGroupInput {
        port: Some(81),
        ..place.group_input("web", "HTTP")
    };
    refused(
        place.try_group(other.clone()).await,
        "DuplicateTargetGroupName",
        "A target group with the same name 'web' exists, but with different settings",
    );
    place.delete_group(&first).await.unwrap();
    place.try_group(other).await.unwrap();
    refused(
        place.delete_group(&first).await,
        "TargetGroupNotFound",
        "One or more target groups not found",
    );
}

#[tokio::test]
async fn checks_are_modified() {
    let place = place();
    let modify = async |group: &str, change: fn(&mut api::ModifyTargetGroupInput)| {
        let mut input = api::ModifyTargetGroupInput {
            target_group_arn: group.into(),
            ..Default::default()
        };
        change(&mut input);
        let out = place.call(ops::ModifyTargetGroup, input).await?;
        Ok::<_, AwsError>(checks(&out.target_groups.unwrap()[0]))
    };
    let group = place.group("web").await;
    let modified = modify(&group, |i| {
        i.health_check_path = some("/ok");
        i.health_check_port = some("81");
        i.health_check_interval_seconds = Some(6);
    });
    assert_eq!(modified.await.unwrap(), "HTTP 81 /ok 5/6 5/2 200");
    refused_as(
        modify(&group, |i| i.health_check_timeout_seconds = Some(6)).await,
        "ValidationError",
    );
    let tcp = place
        .try_group(place.group_input("tcp", "TCP"))
        .await
        .unwrap();
    let tcp = tcp.target_group_arn.unwrap();
    let over = modify(&tcp, |i| i.health_check_protocol = some("HTTPS")).await;
    assert_eq!(over.unwrap(), "HTTPS traffic-port / 10/30 5/2 200-399");
    let back = modify(&tcp, |i| i.health_check_protocol = some("TCP")).await;
    assert_eq!(back.unwrap(), "TCP traffic-port  10/30 5/2 ");
}

#[tokio::test]
async fn attributes_are_complete_and_checked() {
    let place = place();
    let http = place.group("web").await;
    let all = place.attributes(&http).await;
    assert_eq!(all.len(), 14);
    assert_eq!(all["deregistration_delay.timeout_seconds"], "300");
    assert_eq!(all["stickiness.type"], "lb_cookie");
    let tcp = place
        .try_group(place.group_input("tcp", "TCP"))
        .await
        .unwrap();
    let tcp = tcp.target_group_arn.unwrap();
    let all = place.attributes(&tcp).await;
    assert_eq!(
        all["preserve_client_ip.enabled"], "false",
        "targets are addresses"
    );
    assert_eq!(all["stickiness.type"], "source_ip");
    let udp = place
        .try_group(place.group_input("udp", "UDP"))
        .await
        .unwrap();
    let udp = udp.target_group_arn.unwrap();
    let all = place.attributes(&udp).await;
    assert_eq!(
        all["deregistration_delay.connection_termination.enabled"],
        "true"
    );
    assert_eq!(all["preserve_client_ip.enabled"], "true");

    refused(
        place
            .set_of_group(&http, &[("deregistration_delay.timeout_seconds", "3601")])
            .await,
        "ValidationError",
        "'deregistration_delay.timeout_seconds' value '3601' must be between '0-3600' inclusive",
    );
    refused(
        place
            .set_of_group(&http, &[("stickiness.type", "source_ip")])
            .await,
        "InvalidConfigurationRequest",
        "Stickiness type 'source_ip' is not supported for target groups with the HTTP protocol",
    );
    refused(
        place
            .set_of_group(&http, &[("stickiness.type", "app_cookie")])
            .await,
        "InvalidConfigurationRequest",
        "You must set an application cookie name to enable stickiness of type 'app_cookie'",
    );
    refused(
        place.set_of_group(&http, &[("nothing", "1")]).await,
        "ValidationError",
        "Target group attribute key 'nothing' is not recognized",
    );
    refused(
        place
            .set_of_group(&http, &[("stickiness.type", "source_ip_dest_ip")])
            .await,
        "ValidationError",
        "'Stickiness type' must be one of [app_cookie, lb_cookie, source_ip]",
    );
    let by_cookie = [
        ("stickiness.app_cookie.cookie_name", "c"),
        ("stickiness.type", "app_cookie"),
    ];
    refused(
        place.set_of_group(&tcp, &by_cookie).await,
        "InvalidConfigurationRequest",
        "Stickiness type 'app_cookie' is not supported for target groups with the TCP protocol",
    );
    place.set_of_group(&http, &by_cookie).await.unwrap();
    refused_as(
        place
            .set_of_group(&http, &[("proxy_protocol_v2.enabled", "true")])
            .await,
        "InvalidConfigurationRequest",
    );
    refused_as(
        place
            .set_of_group(&udp, &[("preserve_client_ip.enabled", "false")])
            .await,
        "InvalidConfigurationRequest",
    );
    let slow = [
        ("slow_start.duration_seconds", "30"),
        (
            "load_balancing.algorithm.type",
            "least_outstanding_requests",
        ),
    ];
    refused_as(
        place.set_of_group(&http, &slow).await,
        "InvalidConfigurationRequest",
    );
    place.set_of_group(&http, &slow[..1]).await.unwrap();
    let sticky = [
        ("stickiness.enabled", "true"),
        ("stickiness.lb_cookie.duration_seconds", "60"),
    ];
    place.set_of_group(&http, &sticky).await.unwrap();
    let all = place.attributes(&http).await;
    assert_eq!(all["slow_start.duration_seconds"], "30");
    assert_eq!(all["stickiness.enabled"], "true");
}

#[tokio::test]
async fn those_in_use_stay() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    let (first, second) = (place.group("first").await, place.group("second").await);
    let listener = place.listen(&balancer, 80, forward(&first)).await;
    place
        .try_rule(&listener, 1, vec![path("/a")], vec![forward(&second)])
        .await
        .unwrap();
    for group in [&first, &second] {
        refused(
            place.delete_group(group).await,
            "ResourceInUse",
            &format!("Target group '{group}' is currently in use by a listener or a rule"),
        );
    }
    let of = api::DescribeTargetGroupsInput {
        load_balancer_arn: Some(balancer.clone()),
        ..Default::default()
    };
    assert_eq!(place.groups(of).await.unwrap(), ["first", "second"]);
    let other = place.make(place.application("other")).await;
    refused(
        place.try_listen(&other, "HTTP", 80, forward(&first)).await,
        "TargetGroupAssociationLimit",
        &format!(
            "The following target groups cannot be associated with more than one load balancer: {first}"
        ),
    );
    let input = api::DeleteListenerInput {
        listener_arn: listener,
    };
    place.call(ops::DeleteListener, input).await.unwrap();
    place.delete_group(&first).await.unwrap();
    place.listen(&other, 80, forward(&second)).await;
}

#[tokio::test]
async fn every_selector_selects() {
    let place = place();
    let (a, _b) = (place.group("a").await, place.group("b").await);
    let by_arn = api::DescribeTargetGroupsInput {
        target_group_arns: Some(vec![a.clone()]),
        ..Default::default()
    };
    assert_eq!(place.groups(by_arn.clone()).await.unwrap(), ["a"]);
    let by_name = api::DescribeTargetGroupsInput {
        names: Some(vec!["b".into()]),
        ..Default::default()
    };
    assert_eq!(place.groups(by_name).await.unwrap(), ["b"]);
    assert_eq!(place.groups(Default::default()).await.unwrap(), ["a", "b"]);
    let both = api::DescribeTargetGroupsInput {
        names: Some(vec!["b".into()]),
        ..by_arn
    };
    refused(
        place.groups(both).await,
        "ValidationError",
        "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time",
    );
    let missing = api::DescribeTargetGroupsInput {
        names: Some(vec!["c".into()]),
        ..Default::default()
    };
    refused(
        place.groups(missing).await,
        "TargetGroupNotFound",
        "One or more target groups not found",
    );
}
