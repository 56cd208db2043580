//! Security groups and their rules.

use super::*;

fn tcp(port: i32, cidr: &str) -> api::IpPermission {
    api::IpPermission {
        ip_protocol: some("tcp"),
        from_port: Some(port),
        to_port: Some(port),
        ip_ranges: Some(vec![api::IpRange {
            cidr_ip: some(cidr),
            description: None,
        }]),
        ..Default::default()
    }
}

/// Everything from the members of a group.
fn from(group: &str) -> api::IpPermission {
    api::IpPermission {
        ip_protocol: some("-1"),
        user_id_group_pairs: Some(vec![api::UserIdGroupPair {
            group_id: some(group),
            ..Default::default()
        }]),
        ..Default::default()
    }
}

impl Place {
    async fn allow(
        &self,
        group: &str,
        permissions: Vec<api::IpPermission>,
    ) -> Result<Vec<api::SecurityGroupRule>, AwsError> {
        let input = api::AuthorizeSecurityGroupIngressInput {
            group_id: some(group),
            ip_permissions: Some(permissions),
            ..Default::default()
        };
        let out = self.call(ops::AuthorizeSecurityGroupIngress, input).await?;
        Ok(out.security_group_rules.unwrap())
    }

    async fn revoke(
        &self,
        group: &str,
        permissions: Vec<api::IpPermission>,
    ) -> Result<api::RevokeSecurityGroupIngressOutput, AwsError> {
        let input = api::RevokeSecurityGroupIngressInput {
            group_id: some(group),
            ip_permissions: Some(permissions),
            ..Default::default()
        };
        self.call(ops::RevokeSecurityGroupIngress, input).await
    }

    async fn shown(&self, group: &str) -> api::SecurityGroup {
        let input = api::DescribeSecurityGroupsInput {
            group_ids: ids(group),
            ..Default::default()
        };
        let found = self.call(ops::DescribeSecurityGroups, input).await.unwrap();
        found.security_groups.unwrap().remove(0)
    }

    async fn rules(&self, group: &str) -> Vec<api::SecurityGroupRule> {
        let input = api::DescribeSecurityGroupRulesInput {
            filters: filter("group-id", &[group]),
            ..Default::default()
        };
        let found = self.call(ops::DescribeSecurityGroupRules, input).await;
        found.unwrap().security_group_rules.unwrap()
    }
}

#[tokio::test]
async fn the_default_security_group() {
    let p = place();
    let describe = |input| p.call(ops::DescribeSecurityGroups, input);
    let by_name = api::DescribeSecurityGroupsInput {
        group_names: ids("default"),
        filters: filter("vpc-id", &[&p.first.vpc_id]),
        ..Default::default()
    };
    let group = describe(by_name)
        .await
        .unwrap()
        .security_groups
        .unwrap()
        .remove(0);
    assert_eq!(group.group_id.as_ref(), Some(&p.first.security_group_id));
    let own = &group.ip_permissions.unwrap()[0]
        .user_id_group_pairs
        .clone()
        .unwrap()[0];
    assert_eq!(own.group_id.as_ref(), Some(&p.first.security_group_id));
    assert_eq!(own.user_id.as_deref(), Some("000000000000"));

    let other = api::DescribeSecurityGroupsInput {
        group_names: ids("web"),
        ..Default::default()
    };
    refused_as(describe(other).await, "InvalidGroup.NotFound");
    let other = api::DescribeSecurityGroupsInput {
        group_ids: ids("sg-1"),
        ..Default::default()
    };
    refused(
        describe(other).await,
        "InvalidGroup.NotFound",
        "The security group 'sg-1' does not exist",
    );
    for (name, count) in [("egress.ip-permission.cidr", 1), ("ip-permission.cidr", 0)] {
        let input = api::DescribeSecurityGroupsInput {
            filters: filter(name, &["0.0.0.0/0"]),
            ..Default::default()
        };
        assert_eq!(
            describe(input)
                .await
                .unwrap()
                .security_groups
                .unwrap()
                .len(),
            count
        );
    }
    assert_eq!(p.rules(&p.first.security_group_id).await.len(), 2);
    let id = &p.first.security_group_id;
    refused(
        p.delete_group(id).await,
        "CannotDelete",
        &format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user"),
    );
}

#[tokio::test]
async fn names_of_groups() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let make = |name: &str, description: &str, vpc: Option<&str>| {
        let input = api::CreateSecurityGroupInput {
            vpc_id: vpc.map(Into::into),
            group_name: name.into(),
            description: description.into(),
            ..Default::default()
        };
        p.call(ops::CreateSecurityGroup, input)
    };
    let made = make("web", "d", Some(&vpc)).await.unwrap();
    let shown = p.shown(made.group_id.as_deref().unwrap()).await;
    assert_eq!(made.security_group_arn, shown.security_group_arn);
    let out = shown.ip_permissions_egress.unwrap();
    assert_eq!(
        out[0].ip_ranges.as_ref().unwrap()[0].cidr_ip.as_deref(),
        Some("0.0.0.0/0")
    );
    refused(
        make("web", "d", Some(&vpc)).await,
        "InvalidGroup.Duplicate",
        &format!("The security group 'web' already exists for VPC '{vpc}'"),
    );
    make("web", "in the default VPC", None).await.unwrap();
    refused_as(
        make("default", "d", Some(&vpc)).await,
        "InvalidParameterValue",
    );
    refused_as(
        make("sg-web", "d", Some(&vpc)).await,
        "InvalidParameterValue",
    );
    refused_as(
        make("x", "naïve", Some(&vpc)).await,
        "InvalidParameterValue",
    );
    refused_as(make("x", "", Some(&vpc)).await, "MissingParameter");
    let by_name = api::DeleteSecurityGroupInput {
        group_name: some("web"),
        ..Default::default()
    };
    p.call(ops::DeleteSecurityGroup, by_name).await.unwrap();
}

#[tokio::test]
async fn rules_are_granted_and_taken_back() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let web = p.group(&vpc, "web").await;
    let rules = p
        .allow(&web, vec![tcp(80, "0.0.0.0/0"), tcp(80, "10.1.2.3/8")])
        .await;
    let rules = rules.unwrap();
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[1].cidr_ipv4.as_deref(), Some("10.0.0.0/8"));
    let permissions = p.shown(&web).await.ip_permissions.unwrap();
    let [http] = permissions.as_slice() else {
        panic!("one permission, not {}", permissions.len())
    };
    assert_eq!(http.ip_ranges.as_ref().unwrap().len(), 2);

    refused(
        p.allow(&web, vec![tcp(80, "0.0.0.0/0")]).await,
        "InvalidPermission.Duplicate",
        "the specified rule \"peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW\" already exists",
    );
    refused(
        p.allow(&web, vec![tcp(81, "0.0.0.0/0"), tcp(81, "0.0.0.0/0")])
            .await,
        "InvalidParameterValue",
        "The same permission must not appear multiple times",
    );
    refused(
        p.allow(&web, vec![tcp(82, "10.0.0.0")]).await,
        "InvalidParameterValue",
        "CIDR block 10.0.0.0 is malformed",
    );
    // Nothing of a refused call is kept.
    assert_eq!(p.rules(&web).await.len(), 3);

    p.revoke(&web, vec![tcp(80, "10.0.0.0/8")]).await.unwrap();
    refused(
        p.revoke(&web, vec![tcp(80, "10.0.0.0/8")]).await,
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
    );
    let in_default = &p.first.security_group_id;
    let out = p
        .revoke(in_default, vec![tcp(80, "10.0.0.0/8")])
        .await
        .unwrap();
    assert_eq!(out.unknown_ip_permissions.unwrap().len(), 1);

    let by_id = |id: &str| api::RevokeSecurityGroupIngressInput {
        group_id: some(&web),
        security_group_rule_ids: ids(id),
        ..Default::default()
    };
    let id = rules[0].security_group_rule_id.clone().unwrap();
    p.tag(&[&id], &[("why", "http")]).await.unwrap();
    let out = p
        .call(ops::RevokeSecurityGroupIngress, by_id(&id))
        .await
        .unwrap();
    assert_eq!(
        out.revoked_security_group_rules.unwrap()[0].from_port,
        Some(80)
    );
    assert_eq!(p.tags(api::DescribeTagsInput::default()).await.0.len(), 0);
    refused_as(
        p.call(ops::RevokeSecurityGroupIngress, by_id(&id)).await,
        "InvalidSecurityGroupRuleId.NotFound",
    );
}

#[tokio::test]
async fn the_short_form_of_a_permission() {
    let p = place();
    let web = p.group(&p.first.vpc_id, "web").await;
    let input = api::AuthorizeSecurityGroupIngressInput {
        group_name: some("web"),
        ip_protocol: some("6"),
        from_port: Some(22),
        to_port: Some(22),
        cidr_ip: some("192.0.2.0/24"),
        tag_specifications: specification("security-group-rule", &[("k", "v")]),
        ..Default::default()
    };
    let out = p
        .call(ops::AuthorizeSecurityGroupIngress, input)
        .await
        .unwrap();
    let rule = out.security_group_rules.unwrap().remove(0);
    assert_eq!(rule.ip_protocol.as_deref(), Some("tcp"));
    assert_eq!(rule.tags, Some(pairs(&[("k", "v")])));
    let input = api::AuthorizeSecurityGroupIngressInput {
        group_id: some(&web),
        source_security_group_name: some("default"),
        ..Default::default()
    };
    let out = p
        .call(ops::AuthorizeSecurityGroupIngress, input)
        .await
        .unwrap();
    let peer = out
        .security_group_rules
        .unwrap()
        .remove(0)
        .referenced_group_info;
    assert_eq!(
        peer.unwrap().group_id.as_ref(),
        Some(&p.first.security_group_id)
    );
    let nothing = api::AuthorizeSecurityGroupIngressInput {
        group_id: some(&web),
        ..Default::default()
    };
    refused_as(
        p.call(ops::AuthorizeSecurityGroupIngress, nothing).await,
        "MissingParameter",
    );
}

#[tokio::test]
async fn groups_that_name_each_other_keep_each_other() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let (web, db) = (p.group(&vpc, "web").await, p.group(&vpc, "db").await);
    p.allow(&web, vec![from(&db), from(&web)]).await.unwrap();
    p.allow(&db, vec![from(&web)]).await.unwrap();
    for group in [&web, &db] {
        let message = format!("resource {group} has a dependent object");
        refused(p.delete_group(group).await, "DependencyViolation", &message);
    }
    p.revoke(&web, vec![from(&db)]).await.unwrap();
    p.delete_group(&db).await.unwrap();
    // Its own rules keep no group.
    p.delete_group(&web).await.unwrap();

    let other = p.group(&p.first.vpc_id, "other").await;
    let web = p.group(&vpc, "web").await;
    refused(
        p.allow(&web, vec![from(&other)]).await,
        "InvalidGroup.NotFound",
        "You have specified two resources that belong to different networks.",
    );
    refused_as(
        p.allow(&web, vec![from("sg-1")]).await,
        "InvalidGroup.NotFound",
    );
}

#[tokio::test]
async fn a_group_with_interfaces_stays() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    let web = p.group(&vpc, "web").await;
    let interface = p.interface(&subnet, std::slice::from_ref(&web)).await;
    refused_as(p.delete_group(&web).await, "DependencyViolation");
    let second = p.interface(&subnet, std::slice::from_ref(&web)).await;
    p.released(&interface).await;
    p.released(&second).await;
    p.delete_group(&web).await.unwrap();
}

#[tokio::test]
async fn a_group_has_sixty_rules_each_way() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let web = p.group(&vpc, "web").await;
    let many = (1..=60).map(|port| tcp(port, "0.0.0.0/0")).collect();
    p.allow(&web, many).await.unwrap();
    refused(
        p.allow(&web, vec![tcp(61, "0.0.0.0/0")]).await,
        "RulesPerSecurityGroupLimitExceeded",
        "The maximum number of rules per security group has been reached.",
    );
    let out = api::AuthorizeSecurityGroupEgressInput {
        group_id: web,
        ip_permissions: Some(vec![tcp(61, "0.0.0.0/0")]),
        ..Default::default()
    };
    p.call(ops::AuthorizeSecurityGroupEgress, out)
        .await
        .unwrap();
}

#[tokio::test]
async fn rules_are_changed_and_described() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let web = p.group(&vpc, "web").await;
    let rules = p
        .allow(&web, vec![tcp(80, "0.0.0.0/0"), tcp(81, "0.0.0.0/0")])
        .await;
    let id = rules.unwrap()[0].security_group_rule_id.clone().unwrap();
    let modify = |rule| {
        let input = api::ModifySecurityGroupRulesInput {
            group_id: web.clone(),
            security_group_rules: vec![api::SecurityGroupRuleUpdate {
                security_group_rule_id: id.clone(),
                security_group_rule: Some(rule),
            }],
            dry_run: None,
        };
        p.call(ops::ModifySecurityGroupRules, input)
    };
    let rule = |port, cidr: &str| api::SecurityGroupRuleRequest {
        ip_protocol: some("tcp"),
        from_port: Some(port),
        to_port: Some(port),
        cidr_ipv4: some(cidr),
        ..Default::default()
    };
    modify(rule(443, "10.0.0.0/8")).await.unwrap();
    let shown = p.rules(&web).await;
    let shown = shown
        .iter()
        .find(|r| r.security_group_rule_id.as_ref() == Some(&id))
        .unwrap();
    assert_eq!(
        (shown.from_port, shown.cidr_ipv4.as_deref()),
        (Some(443), Some("10.0.0.0/8"))
    );
    refused_as(
        modify(rule(81, "0.0.0.0/0")).await,
        "InvalidPermission.Duplicate",
    );
    let group = api::SecurityGroupRuleRequest {
        cidr_ipv4: None,
        referenced_group_id: some(&web),
        ..rule(443, "")
    };
    refused_as(modify(group).await, "InvalidParameterValue");

    let describe = |permissions| api::UpdateSecurityGroupRuleDescriptionsIngressInput {
        group_id: some(&web),
        ip_permissions: Some(permissions),
        ..Default::default()
    };
    let mut said = tcp(81, "0.0.0.0/0");
    said.ip_ranges.as_mut().unwrap()[0].description = some("for tests");
    let update = ops::UpdateSecurityGroupRuleDescriptionsIngress;
    p.call(update, describe(vec![said])).await.unwrap();
    let shown = p.rules(&web).await;
    assert!(
        shown
            .iter()
            .any(|r| r.description.as_deref() == Some("for tests"))
    );
    let update = ops::UpdateSecurityGroupRuleDescriptionsIngress;
    refused_as(
        p.call(update, describe(vec![tcp(99, "0.0.0.0/0")])).await,
        "InvalidPermission.NotFound",
    );
}

#[tokio::test]
async fn prefix_lists_of_aws_are_peers() {
    let p = place();
    let lists = p.call(
        ops::DescribeManagedPrefixLists,
        api::DescribeManagedPrefixListsInput {
            filters: filter("prefix-list-name", &["com.amazonaws.us-east-1.s3"]),
            ..Default::default()
        },
    );
    let list = lists
        .await
        .unwrap()
        .prefix_lists
        .unwrap()
        .remove(0)
        .prefix_list_id
        .unwrap();
    let web = p.group(&p.first.vpc_id, "web").await;
    let to = |list: &str| api::IpPermission {
        ip_protocol: some("-1"),
        prefix_list_ids: Some(vec![api::PrefixListId {
            prefix_list_id: some(list),
            description: None,
        }]),
        ..Default::default()
    };
    p.allow(&web, vec![to(&list)]).await.unwrap();
    refused_as(
        p.allow(&web, vec![to("pl-1")]).await,
        "InvalidPrefixListID.NotFound",
    );
    let input = api::GetSecurityGroupsForVpcInput {
        vpc_id: p.first.vpc_id.clone(),
        filters: filter("group-name", &["web"]),
        ..Default::default()
    };
    let found = p.call(ops::GetSecurityGroupsForVpc, input).await.unwrap();
    assert_eq!(found.security_group_for_vpcs.unwrap().len(), 1);
}

#[tokio::test]
async fn a_prefix_list_of_ones_own() {
    let p = place();
    let input = api::CreateManagedPrefixListInput {
        prefix_list_name: "offices".into(),
        address_family: "IPv4".into(),
        max_entries: 2,
        entries: Some(vec![api::AddPrefixListEntry {
            cidr: "192.0.2.9/24".into(),
            description: some("Berlin"),
        }]),
        ..Default::default()
    };
    let made = p.call(ops::CreateManagedPrefixList, input).await.unwrap();
    let made = made.prefix_list.unwrap();
    assert_eq!(made.state.as_deref(), Some("create-in-progress"));
    let list = made.prefix_list_id.unwrap();
    let modify = |version, add: &[&str]| {
        let entry = |cidr: &&str| api::AddPrefixListEntry {
            cidr: (*cidr).into(),
            description: None,
        };
        let input = api::ModifyManagedPrefixListInput {
            prefix_list_id: list.clone(),
            current_version: Some(version),
            add_entries: Some(add.iter().map(entry).collect()),
            ..Default::default()
        };
        p.call(ops::ModifyManagedPrefixList, input)
    };
    modify(1, &["198.51.100.0/24"]).await.unwrap();
    refused(
        modify(1, &[]).await,
        "PrefixListVersionMismatch",
        "The prefix list has the incorrect version number.",
    );
    refused_as(
        modify(2, &["203.0.113.0/24"]).await,
        "PrefixListMaxEntriesExceeded",
    );
    refused_as(modify(2, &["::/0"]).await, "InvalidParameterValue");
    let entries = api::GetManagedPrefixListEntriesInput {
        prefix_list_id: list.clone(),
        ..Default::default()
    };
    let entries = p
        .call(ops::GetManagedPrefixListEntries, entries)
        .await
        .unwrap();
    let entries = entries.entries.unwrap();
    assert_eq!(entries[0].cidr.as_deref(), Some("192.0.2.0/24"));
    assert_eq!(entries[0].description.as_deref(), Some("Berlin"));

    let web = p.group(&p.first.vpc_id, "web").await;
    let permission = api::IpPermission {
        ip_protocol: some("-1"),
        prefix_list_ids: Some(vec![api::PrefixListId {
            prefix_list_id: some(&list),
            description: None,
        }]),
        ..Default::default()
    };
    p.allow(&web, vec![permission]).await.unwrap();
    let delete = |list: &str| {
        let input = api::DeleteManagedPrefixListInput {
            prefix_list_id: list.into(),
            dry_run: None,
        };
        p.call(ops::DeleteManagedPrefixList, input)
    };
    refused_as(delete(&list).await, "DependencyViolation");
    refused_as(delete("pl-63a5400a").await, "OperationNotPermitted");
    p.delete_group(&web).await.unwrap();
    delete(&list).await.unwrap();
    refused_as(delete(&list).await, "InvalidPrefixListID.NotFound");
}
