//! What EC2 stores: tags. And what it sees: a scope's default VPC with them.

use neargate_api_ec2 as api;
use neargate_domain::vpc::{DefaultVpc, VpcRange};
use neargate_service::db::Resource;
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Ctx, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `ec2/tags/…/<resource id>`: absent when the resource has no tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tagged {
    pub(super) tags: Tags,
}

impl Resource for Tagged {
    const KIND: &'static str = "ec2/tags";
}

/// One account's EC2 in one region.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) scope: Scope,
    pub(super) range: VpcRange,
    pub(super) vpc: DefaultVpc,
    /// The tags of each resource, keyed by its id.
    pub(super) tags: BTreeMap<String, Tags>,
}

impl Place {
    pub(super) async fn read(cx: &Ctx) -> Result<Place, AwsError> {
        let scope = cx.scope.clone();
        let stored = cx.db().list::<Tagged>(&scope).await?;
        let id = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
        let tags = stored
            .into_iter()
            .map(|s| (id(&s.key), s.value.tags))
            .collect();
        let range = cx.house.settings.vpc;
        let vpc = DefaultVpc::within(range, &scope.account, &scope.region);
        Ok(Place {
            scope,
            range,
            vpc,
            tags,
        })
    }

    pub(super) fn account(&self) -> Option<String> {
        Some(self.scope.account.to_string())
    }

    /// The member every taggable resource has.
    pub(super) fn tags_of(&self, id: &str) -> Option<Vec<api::Tag>> {
        let tag = |(key, value): (&String, &String)| api::Tag {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        Some(self.tags.get(id).into_iter().flatten().map(tag).collect())
    }

    /// The ids of what a default VPC consists of.
    pub(super) fn own_ids(&self) -> Vec<String> {
        let v = &self.vpc;
        let ids = [
            &v.vpc_id,
            &v.security_group_id,
            &v.route_table_id,
            &v.internet_gateway_id,
            &v.network_acl_id,
            &v.dhcp_options_id,
        ];
        let mut ids: Vec<String> = ids.into_iter().cloned().collect();
        ids.extend(v.subnets.iter().map(|s| s.id.clone()));
        ids.extend(
            super::api::security_groups::rules(self)
                .into_iter()
                .filter_map(|r| r.security_group_rule_id),
        );
        ids
    }
}
