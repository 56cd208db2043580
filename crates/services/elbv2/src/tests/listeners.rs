//! Listeners.

use super::*;

impl Place {
    async fn modify(&self, input: api::ModifyListenerInput) -> Result<api::Listener, AwsError> {
        let out = self.call(ops::ModifyListener, input).await?;
        Ok(out.listeners.unwrap().remove(0))
    }
}

#[tokio::test]
async fn one_is_made_as_aws_describes_it() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    let group = place.group("web").await;
    let made = place
        .try_listen(&balancer, "HTTP", 80, forward(&group))
        .await
        .unwrap();
    let arn = made.listener_arn.clone().unwrap();
    assert!(
        arn.starts_with(&balancer.replace(":loadbalancer/", ":listener/")),
        "{arn}"
    );
    assert_eq!(made.load_balancer_arn, Some(balancer.clone()));
    let action = made.default_actions.clone().unwrap().remove(0);
    assert_eq!(action.target_group_arn, Some(group.clone()));
    let config = action.forward_config.unwrap();
    assert_eq!(config.target_groups.unwrap()[0].weight, Some(1));
    assert_eq!(
        config.target_group_stickiness_config.unwrap().enabled,
        Some(false)
    );
    assert_eq!((made.certificates, made.ssl_policy), (None, None));

    let of = api::DescribeListenersInput {
        load_balancer_arn: Some(balancer.clone()),
        ..Default::default()
    };
    let found = place.call(ops::DescribeListeners, of).await.unwrap();
    assert_eq!(found.listeners.unwrap()[0].listener_arn, Some(arn.clone()));
    let rules = api::DescribeRulesInput {
        listener_arn: Some(arn.clone()),
        ..Default::default()
    };
    let rules = place
        .call(ops::DescribeRules, rules)
        .await
        .unwrap()
        .rules
        .unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].priority.as_deref(), Some("default"));
    assert_eq!(rules[0].is_default, Some(true));

    assert_eq!(
        place.listen(&balancer, 80, forward(&group)).await,
        arn,
        "the same again"
    );
    refused(
        place.try_listen(&balancer, "HTTP", 80, answer("200")).await,
        "DuplicateListener",
        &format!("A listener already exists on this port for this load balancer '{balancer}'"),
    );
}

#[tokio::test]
async fn bad_ones_are_refused() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    let network = place.make(place.network("tcp")).await;
    let group = place.group("web").await;
    let try_listen =
        async |of: &str, protocol: &str, action| place.try_listen(of, protocol, 80, action).await;
    refused(
        try_listen(&balancer, "TCP", answer("200")).await,
        "ValidationError",
        "Listener protocol 'TCP' must be one of 'HTTPS, HTTP'",
    );
    refused(
        try_listen(&network, "HTTP", forward(&group)).await,
        "ValidationError",
        "Listener protocol 'HTTP' must be one of 'TLS, UDP, TCP, TCP_UDP'",
    );
    for protocol in ["UDP", "TCP_UDP", "TCP"] {
        refused(
            try_listen(&network, protocol, forward(&group)).await,
            "IncompatibleProtocols",
            &format!(
                "The listener and the following target groups have incompatible protocols: {group}"
            ),
        );
    }
    refused_as(
        try_listen(&network, "TCP", answer("200")).await,
        "InvalidLoadBalancerAction",
    );
    refused(
        try_listen(&balancer, "HTTPS", answer("200")).await,
        "InvalidConfigurationRequest",
        "You must provide a list containing exactly one certificate if the listener protocol is HTTPS.",
    );
    let missing = group.replace("targetgroup/web/", "targetgroup/web/0");
    refused(
        try_listen(&balancer, "HTTP", forward(&missing)).await,
        "TargetGroupNotFound",
        &format!("Target group '{missing}' not found"),
    );
    let gone = balancer.replace("/web/", "/web/0");
    refused(
        try_listen(&gone, "HTTP", answer("200")).await,
        "LoadBalancerNotFound",
        "One or more load balancers not found",
    );
    let none = api::CreateListenerInput {
        load_balancer_arn: balancer.clone(),
        default_actions: vec![answer("200")],
        protocol: some("HTTP"),
        ..Default::default()
    };
    refused(
        place.call(ops::CreateListener, none).await,
        "ValidationError",
        "A listener port must be specified",
    );
    refused(
        place.call(ops::DescribeListeners, Default::default()).await,
        "ValidationError",
        "You must specify either listener ARNs or a load balancer ARN",
    );
}

#[tokio::test]
async fn they_are_modified_and_deleted() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    let group = place.group("web").await;
    let arn = place.listen(&balancer, 80, answer("200")).await;
    place.listen(&balancer, 81, answer("200")).await;
    let input = api::ModifyListenerInput {
        listener_arn: arn.clone(),
        port: Some(82),
        default_actions: Some(vec![forward(&group)]),
        ..Default::default()
    };
    let modified = place.modify(input.clone()).await.unwrap();
    assert_eq!(modified.port, Some(82));
    assert_eq!(
        modified.default_actions.unwrap()[0].target_group_arn,
        Some(group)
    );
    let taken = api::ModifyListenerInput {
        port: Some(81),
        ..input
    };
    refused_as(place.modify(taken).await, "DuplicateListener");
    let delete = api::DeleteListenerInput { listener_arn: arn };
    place
        .call(ops::DeleteListener, delete.clone())
        .await
        .unwrap();
    refused(
        place.call(ops::DeleteListener, delete).await,
        "ListenerNotFound",
        "One or more listeners not found",
    );
}

#[tokio::test]
async fn actions_are_checked() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    let group = place.group("web").await;
    let refuse = async |actions: Vec<api::Action>, code: &str, message: &str| {
        let input = api::CreateListenerInput {
            load_balancer_arn: balancer.clone(),
            protocol: some("HTTP"),
            port: Some(80),
            default_actions: actions,
            ..Default::default()
        };
        refused(place.call(ops::CreateListener, input).await, code, message);
    };
    let redirect = |change: fn(&mut api::RedirectActionConfig)| {
        let mut config = api::RedirectActionConfig {
            status_code: "HTTP_301".into(),
            ..Default::default()
        };
        change(&mut config);
        api::Action {
            r#type: "redirect".into(),
            redirect_config: Some(config),
            ..Default::default()
        }
    };
    let action = "InvalidLoadBalancerAction";
    refuse(
        vec![redirect(|_| {})],
        action,
        "The redirect configuration is not valid because it creates a loop.",
    )
    .await;
    refuse(
        vec![redirect(|c| c.path = some("x"))],
        action,
        "Redirect path 'x' must begin with a '/' character",
    )
    .await;
    refuse(
        vec![redirect(|c| c.port = some("70000"))],
        action,
        "Redirect port '70000' must be between '1-65535' or '#{port}'",
    )
    .await;
    refuse(
        vec![redirect(|c| c.host = some("#{hots}"))],
        action,
        "The redirect host contains the reserved keyword 'hots', which is not valid",
    )
    .await;
    refuse(vec![], "ValidationError", "An action must be specified").await;
    refuse(
        vec![api::Action {
            r#type: "forward".into(),
            ..Default::default()
        }],
        "ValidationError",
        "A target group ARN must be specified",
    )
    .await;
    let ordered = |order, of: api::Action| api::Action {
        order: Some(order),
        ..of
    };
    refuse(
        vec![ordered(1, forward(&group)), ordered(2, answer("200"))],
        action,
        "An action of type 'forward' must be the last action to be performed",
    )
    .await;
    let mut text = answer("200");
    text.fixed_response_config.as_mut().unwrap().content_type = some("text/xml");
    refuse(
        vec![text],
        action,
        "The ContentType must be one of:'text/html', 'application/json', 'application/javascript', 'text/css', 'text/plain'",
    )
    .await;
    let oidc = api::Action {
        r#type: "authenticate-oidc".into(),
        order: Some(1),
        authenticate_oidc_config: Some(api::AuthenticateOidcActionConfig::default()),
        ..Default::default()
    };
    refuse(
        vec![oidc, ordered(2, forward(&group))],
        "InvalidConfigurationRequest",
        "Neargate does not support actions of type 'authenticate-oidc' yet.",
    )
    .await;
    refused_as(
        place.try_listen(&balancer, "HTTP", 80, answer("301")).await,
        "ValidationError",
    );
    let made = place
        .try_listen(
            &balancer,
            "HTTP",
            80,
            redirect(|c| c.protocol = some("HTTPS")),
        )
        .await
        .unwrap();
    let config = made
        .default_actions
        .unwrap()
        .remove(0)
        .redirect_config
        .unwrap();
    assert_eq!(config.path.as_deref(), Some("/#{path}"));
    assert_eq!(config.query.as_deref(), Some("#{query}"));
}

#[tokio::test]
async fn attributes_follow_the_protocol() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    let arn = place.listen(&balancer, 80, answer("200")).await;
    let set = async |key: &str, value: &str| {
        let input = api::ModifyListenerAttributesInput {
            listener_arn: arn.clone(),
            attributes: vec![api::ListenerAttribute {
                key: some(key),
                value: some(value),
            }],
        };
        place.call(ops::ModifyListenerAttributes, input).await
    };
    let server = "routing.http.response.server.enabled";
    let out = set(server, "false").await.unwrap().attributes.unwrap();
    assert_eq!(out.len(), 11);
    let shown = out
        .iter()
        .find(|a| a.key.as_deref() == Some(server))
        .unwrap();
    assert_eq!(shown.value.as_deref(), Some("false"));
    refused_as(
        set("tcp.idle_timeout.seconds", "60").await,
        "InvalidConfigurationRequest",
    );
    refused(
        set("x", "60").await,
        "ValidationError",
        "Listener attribute key 'x' is not recognized",
    );
    let input = api::DescribeListenerAttributesInput {
        listener_arn: arn.clone(),
    };
    let all = place
        .call(ops::DescribeListenerAttributes, input)
        .await
        .unwrap();
    assert_eq!(all.attributes.unwrap(), out);
}

#[tokio::test]
async fn there_are_not_too_many() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    for port in 1..=50 {
        place.listen(&balancer, port, answer("200")).await;
    }
    refused_as(
        place.try_listen(&balancer, "HTTP", 51, answer("200")).await,
        "TooManyListeners",
    );
}

#[tokio::test]
async fn limits_and_policies_are_told() {
    let place = place();
    let out = place
        .call(ops::DescribeAccountLimits, Default::default())
        .await
        .unwrap();
    let limits = out.limits.unwrap();
    let rules = limits
        .iter()
        .find(|l| l.name.as_deref() == Some("rules-per-application-load-balancer"));
    assert_eq!(rules.unwrap().max.as_deref(), Some("100"));
    let input = api::DescribeSSLPoliciesInput {
        names: Some(vec!["ELBSecurityPolicy-2016-08".into()]),
        ..Default::default()
    };
    let out = place.call(ops::DescribeSSLPolicies, input).await.unwrap();
    let policy = out.ssl_policies.unwrap().remove(0);
    assert_eq!(
        policy.ssl_protocols.unwrap(),
        ["TLSv1.2", "TLSv1.1", "TLSv1"]
    );
    assert_eq!(policy.ciphers.unwrap().len(), 18);
    let input = api::DescribeSSLPoliciesInput {
        names: Some(vec!["none".into()]),
        ..Default::default()
    };
    refused_as(
        place.call(ops::DescribeSSLPolicies, input).await,
        "SSLPolicyNotFound",
    );
    let stores = place
        .call(ops::DescribeTrustStores, Default::default())
        .await
        .unwrap();
    assert_eq!(stores.trust_stores, Some(vec![]));
    let balancer = place.make(place.application("web")).await;
    let input = api::DescribeCapacityReservationInput {
        load_balancer_arn: balancer,
    };
    let out = place
        .call(ops::DescribeCapacityReservation, input)
        .await
        .unwrap();
    assert_eq!(out.minimum_load_balancer_capacity, None);
}
