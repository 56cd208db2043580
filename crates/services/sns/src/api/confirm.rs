//! Confirmations: a token says which subscription it confirms, and until when. It is sealed under the
//! installation's root key, so that nobody else makes one and nothing of it is stored. Whoever has it got
//! it at the endpoint, and needs no other proof.

use super::{place, subscribed};
use crate::model::{Confirmation, Subscription, Topic};
use crate::{Sns, error};
use neargate_api_sns as api;
use neargate_base::Timestamp;
use neargate_service::identity::Kind;
use neargate_service::sealing::Sealed;
use neargate_service::{AwsError, Committed, Ctx, db};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What tokens are sealed for.
const CONTEXT: &str = "sns confirmation";
/// <https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html>
const LIFE: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    subscription_arn: String,
    until: Timestamp,
    /// The subscription that ended, and that this brings back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Subscription>,
}

/// A token for a subscription; for one that ended, to bring it back.
pub fn token(cx: &Ctx, subscription_arn: &str, ended: Option<&Subscription>) -> String {
    let said = Said {
        subscription_arn: subscription_arn.to_owned(),
        until: cx.now() + LIFE,
        ended: ended.cloned(),
    };
    let plain = serde_json::to_vec(&said).expect("what a token says is JSON");
    hex::encode(cx.house.root_key.seal(CONTEXT, &plain).as_bytes())
}

fn read(cx: &Ctx, token: &str) -> Result<Said, AwsError> {
    let bytes = hex::decode(token).map_err(|_| error::invalid_token())?;
    let plain = cx.house.root_key.open(CONTEXT, &Sealed::from_bytes(bytes));
    let said: Option<Said> = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
    said.filter(|said| cx.now() < said.until)
        .ok_or_else(|| error::invalid_parameter("Token"))
}

pub async fn confirm_subscription(
    sns: Arc<Sns>,
    mut cx: Ctx,
    input: api::ConfirmSubscriptionInput,
) -> Result<api::ConfirmSubscriptionOutput, AwsError> {
    let unproven = cx.principal.kind == Kind::Anonymous;
    // Who follows a link calls no region.
    if unproven && let Some(scope) = neargate_service::Scope::of_arn(&input.topic_arn) {
        cx.scope.region = scope.region;
    }
    let topic =
        place(&cx, "TopicArn", &input.topic_arn).map_err(|_| error::invalid_parameter("Topic"))?;
    let said = read(&cx, &input.token)?;
    let invalid = || error::invalid_parameter("Token");
    let named = subscribed(&cx, &said.subscription_arn)?.ok_or_else(invalid)?;
    if named.place.name != topic.name || named.place.scope != topic.scope {
        return Err(invalid());
    }
    let guarded = match input.authenticate_on_unsubscribe.as_deref() {
        None => false,
        Some(text) if text.eq_ignore_ascii_case("true") => !unproven,
        Some(text) if text.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(error::invalid_parameter("AuthenticateOnUnsubscribe")),
    };
    let confirmation = Confirmation {
        authenticated: !unproven,
        guarded,
    };
    let key = db::key::<Subscription>(&named.place.scope, &named.key_id());
    loop {
        let there = cx.db().get_key::<Subscription>(&key).await?;
        let tx = match (there, &said.ended) {
            // It is confirmed once.
            (Some(there), _) if there.confirmed.is_some() => break,
            (Some(there), _) => {
                let mut confirmed = there.value.clone();
                confirmed.confirmed = Some(confirmation);
                cx.db().tx().update(&there, &confirmed)
            }
            (None, Some(ended)) => {
                let of = cx.db().get::<Topic>(&topic.scope, &topic.name).await?;
                let of = of.ok_or_else(error::topic_not_found)?;
                let again = Subscription {
                    confirmed: Some(confirmation),
                    ..ended.clone()
                };
                cx.db().tx().create(key.clone(), &again).unchanged(&of)
            }
            (None, None) => return Err(invalid()),
        };
        if let Committed::At(_) = tx.commit().await? {
            break;
        }
    }
    sns.deliveries.topics.changed(&topic.scope, &topic.name);
    Ok(api::ConfirmSubscriptionOutput {
        subscription_arn: Some(said.subscription_arn),
    })
}
