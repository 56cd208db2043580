//! Tags of load balancers, target groups, listeners, rules and trust stores, each kept with what has them
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AddTags.html>).

use super::tags_of;
use crate::change::{self, settle};
use crate::model::{Listener, LoadBalancer, TargetGroup, TrustStore};
use crate::{Elbv2, error};
use neargate_api_elbv2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::tags::{self, Tags};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Resources that one call names.
const MAX_RESOURCES: usize = 20;

/// What has tags.
enum Owner {
    LoadBalancer(Stored<LoadBalancer>),
    TargetGroup(Stored<TargetGroup>),
    Listener(Stored<Listener>),
    /// And the rule's id.
    Rule(Stored<Listener>, String),
    TrustStore(Stored<TrustStore>),
}

impl Owner {
    async fn find(cx: &Ctx, arn: &str) -> Result<Owner, AwsError> {
        let resource = arn.split(':').nth(5).unwrap_or_default();
        match resource.split('/').next().unwrap_or_default() {
            "loadbalancer" => Ok(Owner::LoadBalancer(change::load_balancer(cx, arn).await?)),
            "targetgroup" => Ok(Owner::TargetGroup(change::target_group(cx, arn).await?)),
            "listener" => Ok(Owner::Listener(change::listener(cx, arn).await?)),
            "listener-rule" => {
                let (listener, id) = change::rule(cx, arn).await?;
                Ok(Owner::Rule(listener, id))
            }
            "truststore" => Ok(Owner::TrustStore(change::trust_store(cx, arn).await?)),
            _ => Err(error::not_taggable(arn)),
        }
    }

    fn tags(&self) -> &Tags {
        match self {
            Owner::LoadBalancer(of) => &of.value.tags,
            Owner::TargetGroup(of) => &of.value.tags,
            Owner::Listener(of) => &of.value.tags,
            Owner::TrustStore(of) => &of.value.tags,
            Owner::Rule(of, id) => {
                let rule = of.value.rules.iter().find(|r| r.id == *id);
                rule.map_or(&of.value.default_rule_tags, |r| &r.tags)
            }
        }
    }

    /// Adds to a transaction that these are its tags.
    fn write(self, tx: Tx, tags: Tags) -> Tx {
        match self {
            Owner::LoadBalancer(of) => {
                let value = LoadBalancer {
                    tags,
                    ..of.value.clone()
                };
                tx.update(&of, &value)
            }
            Owner::TargetGroup(of) => {
                let value = TargetGroup {
                    tags,
                    ..of.value.clone()
                };
                tx.update(&of, &value)
            }
            Owner::Listener(of) => {
                let value = Listener {
                    tags,
                    ..of.value.clone()
                };
                tx.update(&of, &value)
            }
            Owner::TrustStore(of) => {
                let value = TrustStore {
                    tags,
                    ..of.value.clone()
                };
                tx.update(&of, &value)
            }
            Owner::Rule(of, id) => {
                let mut value = of.value.clone();
                let rule = value.rules.iter_mut().find(|r| r.id == id);
                match rule {
                    Some(rule) => rule.tags = tags,
                    None => value.default_rule_tags = tags,
                }
                tx.update(&of, &value)
            }
        }
    }
}

async fn each(
    cx: &Ctx,
    arns: &[String],
    change: impl Fn(&mut Tags) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    if arns.len() > MAX_RESOURCES {
        return Err(error::too_many_resources(MAX_RESOURCES));
    }
    // All are found before any is changed.
    for arn in arns {
        let mut tags = Owner::find(cx, arn).await?.tags().clone();
        change(&mut tags)?;
    }
    for arn in arns {
        let changed = async || -> Result<(Tx, ()), AwsError> {
            let owner = Owner::find(cx, arn).await?;
            let mut tags = owner.tags().clone();
            change(&mut tags)?;
            Ok((owner.write(cx.db().tx(), tags), ()))
        };
        settle(changed).await?;
    }
    Ok(())
}

pub async fn add_tags(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::AddTagsInput,
) -> Result<api::AddTagsOutput, AwsError> {
    let new = tags_of(Some(input.tags))?;
    let add = |tags: &mut Tags| tags::merge(tags, &new).map_err(error::tags);
    each(&cx, &input.resource_arns, add).await?;
    Ok(api::AddTagsOutput {})
}

pub async fn remove_tags(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::RemoveTagsInput,
) -> Result<api::RemoveTagsOutput, AwsError> {
    let remove = |tags: &mut Tags| {
        tags::remove(tags, &input.tag_keys);
        Ok(())
    };
    each(&cx, &input.resource_arns, remove).await?;
    Ok(api::RemoveTagsOutput {})
}

pub async fn describe_tags(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeTagsInput,
) -> Result<api::DescribeTagsOutput, AwsError> {
    if input.resource_arns.len() > MAX_RESOURCES {
        return Err(error::too_many_resources(MAX_RESOURCES));
    }
    let mut found = Vec::new();
    for arn in input.resource_arns {
        let owner = Owner::find(&cx, &arn).await?;
        let tag = |(key, value): (&String, &String)| api::Tag {
            key: key.clone(),
            value: Some(value.clone()),
        };
        found.push(api::TagDescription {
            tags: Some(owner.tags().iter().map(tag).collect()),
            resource_arn: Some(arn),
        });
    }
    Ok(api::DescribeTagsOutput {
        tag_descriptions: Some(found),
    })
}
