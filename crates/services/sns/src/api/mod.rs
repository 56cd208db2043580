//! SNS's handlers, a file for each resource.

pub mod confirm;
pub mod permissions;
pub mod publish;
pub mod subscriptions;
pub mod tags;
pub mod topics;

use crate::model::{Subscription, Topic};
use crate::{attributes, error};
use neargate_base::{AccountId, Arn};
use neargate_policy::{Context, Document, Guard, Policies, Request, Use, evaluate};
use neargate_service::identity::Kind;
use neargate_service::{AwsError, Ctx, Scope};

/// Where an ARN says that a topic is, whether or not there is one.
struct Place {
    scope: Scope,
    name: String,
}

/// The place of the topic that `arn` names, in the region that is called.
fn place(cx: &Ctx, parameter: &str, arn: &str) -> Result<Place, AwsError> {
    let parsed = parse(parameter, arn)?;
    let invalid = || error::invalid_parameter(parameter);
    if parsed.service != "sns"
        || parsed.region != cx.scope.region.as_str()
        || parsed.resource.contains([':', '/'])
    {
        return Err(invalid());
    }
    let account: AccountId = parsed.account.parse().map_err(|_| invalid())?;
    Ok(Place {
        scope: cx.scope.of_account(account),
        name: parsed.resource,
    })
}

fn parse(parameter: &str, arn: &str) -> Result<Arn, AwsError> {
    let parts = arn.split(':').count();
    if parts < 6 {
        let text = format!("{parameter} Reason: An ARN must have at least 6 elements, not {parts}");
        return Err(error::invalid_parameter(&text));
    }
    arn.parse().map_err(|_| error::invalid_parameter(parameter))
}

/// The topic that `arn` names, which the caller may act on. Of another account's, its policy says so.
async fn place_for(cx: &Ctx, parameter: &str, arn: &str, action: &str) -> Result<Place, AwsError> {
    let place = place(cx, parameter, arn)?;
    if place.scope.account == cx.scope.account {
        return Ok(place);
    }
    let topic = cx.db().get::<Topic>(&place.scope, &place.name).await?;
    match topic {
        Some(topic) if is_let(cx, &place, &topic, arn, action) => Ok(place),
        _ => Err(error::not_authorized(&cx.principal.arn, action, arn)),
    }
}

/// Does the topic's policy let somebody of another account do this? Services are judged before they
/// come here.
fn is_let(cx: &Ctx, place: &Place, topic: &Topic, arn: &str, action: &str) -> bool {
    if cx.principal.kind == Kind::Service {
        return true;
    }
    let policy = attributes::policy(topic, arn, &place.scope);
    let Ok(document) = Document::parse_as(Use::Resource, &policy) else {
        return false;
    };
    let account = cx.scope.account.as_str();
    let action = format!("sns:{action}");
    let mut context = Context::new();
    context.set("aws:SourceOwner", account);
    context.set("aws:PrincipalAccount", account);
    context.set("aws:PrincipalArn", &*cx.principal.arn);
    let request = Request {
        requester: cx.principal.requester(account),
        action: &action,
        resource: arn,
        context: &context,
    };
    let policies = Policies {
        guard: Guard {
            account: Some(account),
            document: Some(&document),
            is_decisive: true,
            is_trust: false,
            grant: None,
        },
        ..Policies::default()
    };
    evaluate(&policies, &request).is_allowed()
}

/// The place of a subscription: its topic's, and its id.
struct Subscribed {
    place: Place,
    id: String,
}

impl Subscribed {
    fn key_id(&self) -> String {
        Subscription::key_id(&self.place.name, &self.id)
    }
}

/// The subscription that `arn` names, whether or not there is one; `None`: an ARN of SNS that is none of
/// a subscription's.
fn subscribed(cx: &Ctx, arn: &str) -> Result<Option<Subscribed>, AwsError> {
    let parsed = parse("SubscriptionArn", arn)?;
    let invalid = || error::invalid_parameter("SubscriptionArn");
    if parsed.service != "sns" {
        return Err(invalid());
    }
    let account: AccountId = parsed.account.parse().map_err(|_| invalid())?;
    let region = parsed.region.parse().map_err(|_| invalid())?;
    // Who follows a link calls no region.
    if cx.principal.kind != Kind::Anonymous && cx.scope.region != region {
        return Err(invalid());
    }
    let Some((name, id)) = parsed.resource.split_once(':') else {
        return Ok(None);
    };
    if id.contains([':', '/']) || name.contains('/') {
        return Err(invalid());
    }
    Ok(Some(Subscribed {
        place: Place {
            scope: Scope { account, region },
            name: name.to_owned(),
        },
        id: id.to_owned(),
    }))
}
