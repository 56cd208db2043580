//! What policies would decide, without doing it
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html>).

use super::context_keys::Keys;
use crate::call::View;
use crate::document;
use crate::error;
use crate::model::Grants;
use crate::page::paged;
use crate::place;
use neargate_api_iam as api;
use neargate_policy::evaluate::{Guard, evaluate};
use neargate_policy::{
    Context, Decision, Denial, Document, Kind, Policies, Request, Requester, RequesterKind, Use,
};
use neargate_service::AwsError;
use std::sync::Arc;

/// Texts of policies, each with the name that answers give it.
type Named = Vec<(String, String)>;

/// The policies of a user, a group or a role.
#[derive(Debug, Default)]
pub struct PrincipalPolicies {
    pub identity: Named,
    pub boundary: Option<String>,
}

/// The policies of whom an ARN names: a user's groups give theirs, too.
pub fn principal_policies(view: &View, arn: &str) -> Result<PrincipalPolicies, AwsError> {
    let prefix = format!("arn:aws:iam::{}:", view.id());
    let resource = arn.strip_prefix(&prefix).unwrap_or_default();
    let (kind, _) = resource.split_once('/').unwrap_or_default();
    let name = crate::name::last(resource);
    let mut policies = PrincipalPolicies::default();
    let boundary = match kind {
        "user" => {
            let user = view.user(name)?;
            policies.add(view, &user.grants);
            for group in user
                .groups
                .iter()
                .filter_map(|id| view.groups.of_unique_id(id))
            {
                policies.add(view, &group.grants);
            }
            user.boundary.clone()
        }
        "role" => {
            let role = view.role(name)?;
            policies.add(view, &role.grants);
            role.boundary.clone()
        }
        "group" => {
            policies.add(view, &view.group(name)?.grants);
            None
        }
        _ => {
            return Err(error::invalid_input(format!("Invalid Entity Arn: {arn}")));
        }
    };
    let boundary = boundary.and_then(|arn| view.managed(&arn));
    policies.boundary = boundary.map(|b| b.document().to_owned());
    Ok(policies)
}

impl PrincipalPolicies {
    fn add(&mut self, view: &View, grants: &Grants) {
        let inline = grants.inline.iter();
        let inline = inline.map(|(name, text)| (name.clone(), text.clone()));
        self.identity.extend(inline);
        for policy in grants.attached.iter().filter_map(|arn| view.managed(arn)) {
            let named = (policy.name().to_owned(), policy.document().to_owned());
            self.identity.push(named);
        }
    }
}

/// What is simulated.
#[derive(Debug)]
struct Simulation {
    identity: Named,
    boundaries: Vec<String>,
    actions: Vec<String>,
    resources: Option<Vec<String>>,
    resource_policy: Option<String>,
    resource_owner: Option<String>,
    caller: Option<String>,
    context: Vec<api::ContextEntry>,
    max_items: Option<i32>,
    marker: Option<String>,
}

/// Texts that a call gives, by their places in its list.
fn numbered(list: &str, texts: Vec<String>) -> Named {
    let all = texts.into_iter().enumerate();
    all.map(|(at, text)| (format!("{list}.{}", at + 1), text))
        .collect()
}

pub fn simulate_custom_policy(
    view: &View,
    input: api::SimulateCustomPolicyInput,
) -> Result<api::SimulatePolicyResponse, AwsError> {
    refuse_organizations(input.ordered_organization_policy_input_list.is_some())?;
    let simulation = Simulation {
        identity: numbered("PolicyInputList", input.policy_input_list),
        boundaries: input
            .permissions_boundary_policy_input_list
            .unwrap_or_default(),
        actions: input.action_names,
        resources: input.resource_arns,
        resource_policy: input.resource_policy,
        resource_owner: input.resource_owner,
        caller: input.caller_arn,
        context: input.context_entries.unwrap_or_default(),
        max_items: input.max_items,
        marker: input.marker,
    };
    simulation.run(view)
}

pub fn simulate_principal_policy(
    view: &View,
    input: api::SimulatePrincipalPolicyInput,
) -> Result<api::SimulatePolicyResponse, AwsError> {
    if input.policy_exclusion_list.is_some() {
        return Err(AwsError::not_implemented("iam", "PolicyExclusionList"));
    }
    let own = principal_policies(view, &input.policy_source_arn)?;
    let mut identity = own.identity;
    let given = input.policy_input_list.unwrap_or_default();
    identity.extend(numbered("PolicyInputList", given));
    let given = input.permissions_boundary_policy_input_list;
    let is_user = input.policy_source_arn.contains(":user/");
    let simulation = Simulation {
        identity,
        boundaries: given.unwrap_or_else(|| own.boundary.into_iter().collect()),
        actions: input.action_names,
        resources: input.resource_arns,
        resource_policy: input.resource_policy,
        resource_owner: input.resource_owner,
        caller: input
            .caller_arn
            .or(is_user.then_some(input.policy_source_arn)),
        context: input.context_entries.unwrap_or_default(),
        max_items: input.max_items,
        marker: input.marker,
    };
    simulation.run(view)
}

/// There are no organisations here, and so nothing that decides by their policies.
fn refuse_organizations(given: bool) -> Result<(), AwsError> {
    match given {
        true => Err(AwsError::not_implemented(
            "iam",
            "OrderedOrganizationPolicyInputList",
        )),
        false => Ok(()),
    }
}

/// A policy, ready to decide.
struct Ready {
    id: String,
    document: Arc<Document>,
    places: Vec<(api::Position, api::Position)>,
    kind: &'static str,
}

impl Ready {
    fn new(id: String, text: &str, used: Use) -> Result<Ready, AwsError> {
        Ok(Ready {
            id,
            document: Arc::new(document::parse(text, used)?),
            places: place::statements(text),
            kind: match used {
                Use::Identity | Use::Managed => "IAM Policy",
                Use::Trust | Use::Resource => "Resource Policy",
            },
        })
    }

    /// Its statements that apply to the request.
    fn matched(&self, request: &Request) -> Vec<api::Statement> {
        let applying = self.document.matching(request).into_iter();
        let shown = applying.map(|at| {
            let place = self.places.get(at).cloned();
            let (start, end) = place.unzip();
            api::Statement {
                source_policy_id: Some(self.id.clone()),
                source_policy_type: Some(self.kind.into()),
                start_position: start,
                end_position: end,
            }
        });
        shown.collect()
    }
}

impl Simulation {
    fn run(self, view: &View) -> Result<api::SimulatePolicyResponse, AwsError> {
        let identity: Result<Vec<Ready>, AwsError> = self
            .identity
            .iter()
            .map(|(id, text)| Ready::new(id.clone(), text, Use::Identity))
            .collect();
        let identity = identity?;
        let boundaries: Result<Vec<Document>, AwsError> = self
            .boundaries
            .iter()
            .map(|text| document::parse(text, Use::Identity))
            .collect();
        let boundaries = boundaries?;
        let resource = self.resource_policy.as_deref();
        let resource =
            resource.map(|text| Ready::new("ResourcePolicy".into(), text, Use::Resource));
        let resource = resource.transpose()?;
        if resource.is_some() && self.caller.is_none() {
            return Err(error::invalid_input(
                "CallerArn is required when a resource policy is simulated",
            ));
        }
        let missing = self.missing();
        let root = format!("arn:aws:iam::{}:root", view.id());
        let anybody = format!("arn:aws:iam::{}:user/simulated", view.id());
        let caller = self.caller.as_deref().unwrap_or(&anybody);
        let requester = Requester {
            kind: match caller {
                caller if caller == root => RequesterKind::Root,
                caller if caller.contains(":assumed-role/") => RequesterKind::AssumedRole,
                _ => RequesterKind::User,
            },
            arn: caller,
            account: caller.split(':').nth(4).unwrap_or_default(),
            role: None,
        };
        let context = self.context();
        let owner = self.resource_owner.as_deref();
        let owner = owner.map(|arn| arn.split(':').nth(4).unwrap_or(arn));
        let documents: Vec<Arc<Document>> = identity.iter().map(|p| p.document.clone()).collect();
        let named = self.resources.is_some();
        let resources = self.resources.unwrap_or_else(|| vec!["*".into()]);
        let mut results = Vec::new();
        for action in &self.actions {
            for arn in &resources {
                let request = Request {
                    requester,
                    action,
                    resource: arn,
                    context: &context,
                };
                let policies = Policies {
                    identity: &documents,
                    boundary: boundaries.first(),
                    session: None,
                    guard: Guard {
                        account: owner,
                        document: resource.as_ref().map(|p| &*p.document),
                        ..Guard::default()
                    },
                };
                let decision = evaluate(&policies, &request);
                let matched = identity.iter().chain(&resource);
                let matched: Vec<api::Statement> =
                    matched.flat_map(|p| p.matched(&request)).collect();
                let bound = boundaries
                    .first()
                    .map(|_| api::PermissionsBoundaryDecisionDetail {
                        allowed_by_permissions_boundary: Some(!matches!(
                            decision,
                            Decision::Denied(
                                Denial::Implicit(Kind::Boundary) | Denial::Explicit(Kind::Boundary)
                            )
                        )),
                    });
                let one = api::ResourceSpecificResult {
                    eval_resource_name: Some(arn.clone()),
                    eval_resource_decision: Some(word(decision).into()),
                    matched_statements: Some(matched.clone()),
                    missing_context_values: Some(missing.clone()),
                    eval_decision_details: None,
                    permissions_boundary_decision_detail: bound.clone(),
                };
                results.push(api::EvaluationResult {
                    eval_action_name: Some(action.clone()),
                    eval_resource_name: Some(arn.clone()),
                    eval_decision: Some(word(decision).into()),
                    matched_statements: Some(matched),
                    missing_context_values: Some(missing.clone()),
                    organizations_decision_detail: Some(api::OrganizationsDecisionDetail {
                        allowed_by_organizations: Some(true),
                    }),
                    permissions_boundary_decision_detail: bound,
                    eval_decision_details: Some(Default::default()),
                    resource_specific_results: Some(if named { vec![one] } else { Vec::new() }),
                });
            }
        }
        let numbered = results.into_iter().enumerate();
        let page = paged(numbered, self.marker.as_deref(), self.max_items, |r| {
            format!("{:06}", r.0)
        })?;
        let page = page.map(|(_, result)| result);
        Ok(api::SimulatePolicyResponse {
            evaluation_results: Some(page.items),
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }

    fn context(&self) -> Context {
        let mut context = Context::new();
        for entry in &self.context {
            let Some(key) = &entry.context_key_name else {
                continue;
            };
            let values = entry.context_key_values.clone().unwrap_or_default();
            context.set_all(key, values);
        }
        context
    }

    /// The keys that policies ask for and the call does not give.
    fn missing(&self) -> Vec<String> {
        let mut keys = Keys::default();
        let identity = self.identity.iter().map(|(_, text)| text);
        let all = identity
            .chain(&self.boundaries)
            .chain(&self.resource_policy);
        all.for_each(|text| keys.add(text));
        let given = |key: &String| {
            let names = self
                .context
                .iter()
                .filter_map(|e| e.context_key_name.as_ref());
            names.into_iter().any(|name| name.eq_ignore_ascii_case(key))
        };
        keys.names().into_iter().filter(|key| !given(key)).collect()
    }
}

/// AWS's word for a decision.
fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::Denied(Denial::Explicit(_)) => "explicitDeny",
        Decision::Denied(Denial::Implicit(_)) => "implicitDeny",
    }
}
