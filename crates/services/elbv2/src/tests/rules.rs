//! Rules: priorities, conditions, transforms.

use super::*;

impl Place {
    async fn rules(&self, listener: &str) -> Vec<String> {
        let input = api::DescribeRulesInput {
            listener_arn: some(listener),
            ..Default::default()
        };
        let out = self.call(ops::DescribeRules, input).await.unwrap();
        out.rules
            .unwrap()
            .into_iter()
            .map(|r| r.priority.unwrap())
            .collect()
    }

    async fn listener(&self) -> String {
        let balancer = self.make(self.application("web")).await;
        self.listen(&balancer, 80, answer("404")).await
    }
}

fn condition(field: &str) -> api::RuleCondition {
    api::RuleCondition {
        field: some(field),
        ..Default::default()
    }
}

fn host(values: &[&str]) -> api::RuleCondition {
    api::RuleCondition {
        host_header_config: Some(api::HostHeaderConditionConfig {
            values: Some(values.iter().map(|v| (*v).to_owned()).collect()),
            regex_values: None,
        }),
        ..condition("host-header")
    }
}

#[tokio::test]
async fn priorities_are_unique_and_can_be_swapped() {
    let place = place();
    let listener = place.listener().await;
    let mut arns = Vec::new();
    for priority in [20, 10] {
        let made = place.try_rule(&listener, priority, vec![path("/a")], vec![answer("200")]);
        arns.push(made.await.unwrap().rule_arn.unwrap());
    }
    assert!(arns[0].starts_with(&listener.replace(":listener/", ":listener-rule/")));
    assert_eq!(place.rules(&listener).await, ["10", "20", "default"]);
    refused(
        place
            .try_rule(&listener, 10, vec![path("/b")], vec![answer("200")])
            .await,
        "PriorityInUse",
        "Priority '10' is currently in use",
    );
    let set = async |pairs: &[(&str, i32)]| {
        let pair = |(arn, priority): &(&str, i32)| api::RulePriorityPair {
            rule_arn: some(arn),
            priority: Some(*priority),
        };
        let input = api::SetRulePrioritiesInput {
            rule_priorities: pairs.iter().map(pair).collect(),
        };
        place.call(ops::SetRulePriorities, input).await
    };
    let swapped = set(&[(&arns[0], 10), (&arns[1], 20)])
        .await
        .unwrap()
        .rules
        .unwrap();
    assert_eq!(swapped[0].rule_arn.as_ref(), Some(&arns[0]));
    refused_as(set(&[(&arns[0], 20)]).await, "PriorityInUse");
    refused(
        set(&[(&arns[0], 5), (&arns[1], 5)]).await,
        "ValidationError",
        "Priority '5' was provided multiple times",
    );
    assert_eq!(place.rules(&listener).await, ["10", "20", "default"]);
    let delete = api::DeleteRuleInput {
        rule_arn: arns[1].clone(),
    };
    place.call(ops::DeleteRule, delete.clone()).await.unwrap();
    refused(
        place.call(ops::DeleteRule, delete).await,
        "RuleNotFound",
        "One or more rules not found",
    );
    assert_eq!(place.rules(&listener).await, ["10", "default"]);
}

#[tokio::test]
async fn the_default_rule_is_its_listeners() {
    let place = place();
    let listener = place.listener().await;
    let input = api::DescribeRulesInput {
        listener_arn: Some(listener),
        ..Default::default()
    };
    let out = place.call(ops::DescribeRules, input).await.unwrap();
    let default = out.rules.unwrap().remove(0).rule_arn.unwrap();
    let by_arn = api::DescribeRulesInput {
        rule_arns: Some(vec![default.clone()]),
        ..Default::default()
    };
    let out = place.call(ops::DescribeRules, by_arn).await.unwrap();
    assert_eq!(out.rules.unwrap()[0].is_default, Some(true));
    let delete = api::DeleteRuleInput {
        rule_arn: default.clone(),
    };
    refused_as(
        place.call(ops::DeleteRule, delete).await,
        "OperationNotPermitted",
    );
    let modify = api::ModifyRuleInput {
        rule_arn: default,
        actions: Some(vec![answer("200")]),
        ..Default::default()
    };
    refused_as(
        place.call(ops::ModifyRule, modify).await,
        "OperationNotPermitted",
    );
}

#[tokio::test]
async fn every_condition_is_kept_as_aws_shows_it() {
    let place = place();
    let listener = place.listener().await;
    let conditions = vec![
        path("/img/*"),
        api::RuleCondition {
            host_header_config: Some(api::HostHeaderConditionConfig {
                values: None,
                regex_values: Some(vec!["^(.+)\\.example\\.com$".into()]),
            }),
            ..condition("host-header")
        },
        api::RuleCondition {
            http_request_method_config: Some(api::HttpRequestMethodConditionConfig {
                values: Some(vec!["GET".into()]),
            }),
            ..condition("http-request-method")
        },
        api::RuleCondition {
            source_ip_config: Some(api::SourceIpConditionConfig {
                values: Some(vec!["10.0.0.0/8".into()]),
                ip_address_type: None,
            }),
            ..condition("source-ip")
        },
        api::RuleCondition {
            query_string_config: Some(api::QueryStringConditionConfig {
                values: Some(vec![api::QueryStringKeyValuePair {
                    key: some("v"),
                    value: some("2"),
                }]),
            }),
            ..condition("query-string")
        },
    ];
    let made = place
        .try_rule(&listener, 1, conditions, vec![answer("200")])
        .await
        .unwrap();
    let kept = made.conditions.unwrap();
    let config = kept[0].path_pattern_config.clone().unwrap();
    assert_eq!(kept[0].values, config.values);
    let config = kept[1].host_header_config.clone().unwrap();
    assert_eq!(kept[1].regex_values, config.regex_values);
    assert_eq!(kept.len(), 5);
    // What was shown may be given back.
    let modify = api::ModifyRuleInput {
        rule_arn: made.rule_arn.unwrap(),
        conditions: Some(kept.clone()),
        ..Default::default()
    };
    let out = place.call(ops::ModifyRule, modify).await.unwrap();
    assert_eq!(out.rules.unwrap()[0].conditions, Some(kept));
}

#[tokio::test]
async fn bad_conditions_are_refused() {
    let place = place();
    let listener = place.listener().await;
    let refuse = async |conditions: Vec<api::RuleCondition>, message: &str| {
        let made = place
            .try_rule(&listener, 1, conditions, vec![answer("200")])
            .await;
        refused(made, "ValidationError", message);
    };
    let header = |name: &str| api::RuleCondition {
        http_header_config: Some(api::HttpHeaderConditionConfig {
            http_header_name: some(name),
            values: Some(vec!["x".into()]),
            regex_values: None,
        }),
        ..condition("http-header")
    };
    let source = |range: &str| api::RuleCondition {
        source_ip_config: Some(api::SourceIpConditionConfig {
            values: Some(vec![range.into()]),
            ip_address_type: None,
        }),
        ..condition("source-ip")
    };
    refuse(vec![], "A condition must be specified").await;
    refuse(
        vec![condition("cookie")],
        "Condition field 'cookie' must be one of '[path-pattern, host-header, http-header, http-request-method, query-string, source-ip]'",
    )
    .await;
    refuse(
        vec![condition("path-pattern")],
        "A condition value must be specified",
    )
    .await;
    refuse(
        vec![path(&"a".repeat(129))],
        "The 'path-pattern' value is too long; the limit is '128'",
    )
    .await;
    refuse(
        vec![path("/a b")],
        "Condition value '/a b' contains a character that is not valid",
    )
    .await;
    refuse(
        vec![path("/a"), path("/b")],
        "A rule can only have one 'path-pattern' condition",
    )
    .await;
    refuse(
        vec![host(&["a.b", "b.b", "c.b", "d.b", "e.b", "f.b"])],
        "A rule can only have '5' condition values",
    )
    .await;
    refuse(
        vec![host(&["*?*.b", "*.*.*.b", "*.b"])],
        "A rule can only have '6' condition wildcards",
    )
    .await;
    refuse(
        vec![header("Host")],
        "You cannot specify 'host' as an HTTP header name",
    )
    .await;
    refuse(
        vec![source("10.0.0.1")],
        "The specified value '10.0.0.1' is not a valid CIDR block",
    )
    .await;
    refuse(
        vec![source("10.0.0.1/33")],
        "The specified value '10.0.0.1/33' is not a valid CIDR block",
    )
    .await;
    refuse(
        vec![api::RuleCondition {
            source_ip_config: Some(api::SourceIpConditionConfig::default()),
            ..condition("source-ip")
        }],
        "A 'source-ip' value must be specified",
    )
    .await;
    refuse(
        vec![condition("source-ip")],
        "A 'SourceIpConfig' must be specified with 'source-ip'",
    )
    .await;
    refuse(
        vec![api::RuleCondition {
            regex_values: Some(vec!["(".into()]),
            ..condition("path-pattern")
        }],
        "'(' is not a valid regular expression",
    )
    .await;
    refuse(
        vec![api::RuleCondition {
            values: Some(vec!["x".into()]),
            ..header("x-a")
        }],
        "The 'Values' field is not compatible with 'http-header'",
    )
    .await;
    assert_eq!(place.rules(&listener).await, ["default"]);
}

#[tokio::test]
async fn forwarding_is_weighted_and_sticky() {
    let place = place();
    let listener = place.listener().await;
    let (blue, green) = (place.group("blue").await, place.group("green").await);
    let weighted = |pairs: &[(&str, i32)], seconds: Option<i32>| api::Action {
        r#type: "forward".into(),
        forward_config: Some(api::ForwardActionConfig {
            target_groups: Some(
                pairs
                    .iter()
                    .map(|(arn, weight)| api::TargetGroupTuple {
                        target_group_arn: some(arn),
                        weight: Some(*weight),
                    })
                    .collect(),
            ),
            target_group_stickiness_config: Some(api::TargetGroupStickinessConfig {
                enabled: Some(true),
                duration_seconds: seconds,
            }),
        }),
        ..Default::default()
    };
    let both = [(blue.as_str(), 90), (green.as_str(), 10)];
    let made = place.try_rule(
        &listener,
        1,
        vec![path("/")],
        vec![weighted(&both, Some(60))],
    );
    let made = made.await.unwrap();
    let action = made.actions.unwrap().remove(0);
    assert_eq!(action.target_group_arn, None, "there is more than one");
    assert_eq!(
        action.forward_config.unwrap().target_groups.unwrap().len(),
        2
    );
    let refuse = async |pairs: &[(&str, i32)], seconds| {
        let action = vec![weighted(pairs, seconds)];
        let made = place.try_rule(&listener, 2, vec![path("/")], action).await;
        refused_as(made, "ValidationError");
    };
    refuse(&[(&blue, 1_000)], Some(60)).await;
    refuse(&both, None).await;
    refuse(&both, Some(604_801)).await;
    refuse(&[(&blue, 1), (&blue, 2)], Some(60)).await;
}

#[tokio::test]
async fn transforms_are_kept_and_reset() {
    let place = place();
    let listener = place.listener().await;
    let transform = |regex: &str| api::RuleTransform {
        r#type: "url-rewrite".into(),
        url_rewrite_config: Some(api::UrlRewriteConfig {
            rewrites: Some(vec![api::RewriteConfig {
                regex: regex.into(),
                replace: "/$1".into(),
            }]),
        }),
        host_header_rewrite_config: None,
    };
    let input = |transforms: Vec<api::RuleTransform>| api::CreateRuleInput {
        listener_arn: listener.clone(),
        conditions: vec![path("/api/*")],
        priority: 1,
        actions: vec![answer("200")],
        transforms: Some(transforms),
        ..Default::default()
    };
    for bad in [
        vec![transform("(")],
        vec![transform("a"), transform("b")],
        vec![api::RuleTransform {
            r#type: "host-header-rewrite".into(),
            ..transform("a")
        }],
    ] {
        refused_as(
            place.call(ops::CreateRule, input(bad)).await,
            "ValidationError",
        );
    }
    let good = input(vec![transform("^/api/(.*)$")]);
    let made = place
        .call(ops::CreateRule, good)
        .await
        .unwrap()
        .rules
        .unwrap()
        .remove(0);
    assert_eq!(made.transforms.unwrap().len(), 1);
    let reset = api::ModifyRuleInput {
        rule_arn: made.rule_arn.unwrap(),
        reset_transforms: Some(true),
        ..Default::default()
    };
    let out = place.call(ops::ModifyRule, reset).await.unwrap();
    assert_eq!(out.rules.unwrap()[0].transforms, None);
}

#[tokio::test]
async fn there_are_not_too_many() {
    let place = place();
    let listener = place.listener().await;
    for priority in 1..=100 {
        let made = place.try_rule(&listener, priority, vec![path("/a")], vec![answer("200")]);
        made.await.unwrap();
    }
    refused_as(
        place
            .try_rule(&listener, 101, vec![path("/a")], vec![answer("200")])
            .await,
        "TooManyRules",
    );
    let groups = (0..6).map(|n| format!("g{n}"));
    let mut tuples = Vec::new();
    for name in groups {
        tuples.push(api::TargetGroupTuple {
            target_group_arn: Some(place.group(&name).await),
            weight: None,
        });
    }
    let action = api::Action {
        r#type: "forward".into(),
        forward_config: Some(api::ForwardActionConfig {
            target_groups: Some(tuples),
            target_group_stickiness_config: None,
        }),
        ..Default::default()
    };
    let input = api::ModifyListenerInput {
        listener_arn: listener,
        default_actions: Some(vec![action]),
        ..Default::default()
    };
    refused_as(
        place.call(ops::ModifyListener, input).await,
        "InvalidLoadBalancerAction",
    );
}

#[tokio::test]
async fn network_listeners_have_no_rules() {
    let place = place();
    let balancer = place.make(place.network("tcp")).await;
    let group = place
        .try_group(place.group_input("tcp", "TCP"))
        .await
        .unwrap();
    let group = group.target_group_arn.unwrap();
    let made = place
        .try_listen(&balancer, "TCP", 80, forward(&group))
        .await
        .unwrap();
    refused_as(
        place
            .try_rule(
                &made.listener_arn.unwrap(),
                1,
                vec![path("/")],
                vec![forward(&group)],
            )
            .await,
        "UnsupportedProtocol",
    );
}
