//! What X-Ray stores beside traces: groups, sampling rules, policies.

use neargate_api_xray as api;
use neargate_base::Timestamp;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope};
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// The group of all traces, and the rule for what no other matches; neither can be made or deleted.
pub const DEFAULT: &str = "Default";

/// `xray/group/…/<name>`. The API writes it; the default group has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    /// The end of its ARN.
    pub id: String,
    pub filter: String,
    pub tags: Tags,
}

impl Resource for Group {
    const KIND: &'static str = "xray/group";
}

impl Group {
    pub fn arn(&self, scope: &Scope) -> String {
        group_arn(scope, &format!("{}/{}", self.name, self.id))
    }

    pub fn default_of(scope: &Scope) -> (String, String) {
        (DEFAULT.to_owned(), group_arn(scope, DEFAULT))
    }
}

fn group_arn(scope: &Scope, name: &str) -> String {
    scope.arn("xray", format!("group/{name}"))
}

/// `xray/rule/…/<name>`. The API writes it; the default rule has one once it was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub rule: Json<api::SamplingRule>,
    pub tags: Tags,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

impl Resource for Rule {
    const KIND: &'static str = "xray/rule";
}

pub fn rule_arn(scope: &Scope, name: &str) -> String {
    scope.arn("xray", format!("sampling-rule/{name}"))
}

impl Rule {
    /// What AWS begins with: one request a second, and 5 of 100 of the others.
    pub fn default_of(scope: &Scope) -> Rule {
        let any = || "*".to_owned();
        Rule {
            rule: Json(api::SamplingRule {
                rule_name: Some(DEFAULT.to_owned()),
                rule_arn: Some(rule_arn(scope, DEFAULT)),
                resource_arn: any(),
                priority: 10_000,
                fixed_rate: 0.05,
                reservoir_size: 1,
                service_name: any(),
                service_type: any(),
                host: any(),
                http_method: any(),
                url_path: any(),
                version: 1,
                attributes: Some(Default::default()),
                sampling_rate_boost: None,
            }),
            tags: Tags::new(),
            created_at: Timestamp::default(),
            modified_at: Timestamp::default(),
        }
    }

    pub fn name(&self) -> &str {
        self.rule.0.rule_name.as_deref().unwrap_or_default()
    }

    pub fn shown(&self) -> api::SamplingRuleRecord {
        api::SamplingRuleRecord {
            sampling_rule: Some(self.rule.0.clone()),
            created_at: Some(self.created_at),
            modified_at: Some(self.modified_at),
        }
    }
}

/// `xray/policy/…/<name>`. The API writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub name: String,
    pub document: String,
    pub revision: u64,
    pub updated_at: Timestamp,
}

impl Resource for Policy {
    const KIND: &'static str = "xray/policy";
}
