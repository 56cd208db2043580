//! Events on their way to endpoints on HTTP: under their connection, no faster than their API destination
//! allows, and again as its answers say.

mod pace;
pub mod request;
mod secrets;
mod token;

pub use secrets::{forget, keep, read};

use crate::api_destination::{ApiDestination, named};
use crate::connection::{AUTHORIZED, Connection, Credentials, OAUTH};
use neargate_base::Timestamp;
use neargate_service::outbound::{Answer, Call, OutboundError};
use neargate_service::{AwsError, House, Scope};
use pace::Paces;
use request::{Asked, Judgement};
use std::sync::Arc;
use std::time::Duration;
use token::Tokens;

/// "The maximum timeout for a request is 5 seconds."
const PATIENCE: Duration = Duration::from_secs(5);
/// Of an answer, what a dead letter tells.
const TOLD_BYTES: usize = 1_024;

/// What became of an attempt.
#[derive(Debug)]
pub enum Outcome {
    Done,
    /// Its turn is later.
    Wait(Timestamp),
    /// `passing`: it may help to try again, after `pause` at the earliest.
    Failed {
        passing: bool,
        pause: Option<Duration>,
        message: String,
    },
}

/// What is kept in memory of endpoints: tokens, and when the next may be asked.
#[derive(Debug, Default)]
pub struct Destinations {
    paces: Paces,
    tokens: Tokens,
}

impl Destinations {
    /// Sends what `asked` says to the endpoint of the API destination. `key` is the invocation's.
    ///
    /// # Errors
    /// When what is needed cannot be read.
    pub async fn invoke(
        &self,
        house: &Arc<House>,
        arn: &str,
        key: &str,
        asked: Asked<'_>,
    ) -> Result<Outcome, AwsError> {
        let gone = |what: &str| Outcome::Failed {
            passing: false,
            pause: None,
            message: format!("Unable to invoke ApiDestination endpoint: {what} does not exist."),
        };
        let found = match named(arn, "api-destination") {
            Some((scope, name, id)) => {
                let stored = house.db.get::<ApiDestination>(&scope, &name).await?;
                stored.filter(|stored| stored.id == id).map(|s| s.value)
            }
            None => None,
        };
        let Some(destination) = found else {
            return Ok(gone("the API destination"));
        };
        let Some((scope, connection)) = connection(house, &destination.connection_arn).await?
        else {
            return Ok(gone("the connection"));
        };
        if connection.state != AUTHORIZED {
            return Ok(Outcome::Failed {
                passing: true,
                pause: None,
                message:
                    "Unable to invoke ApiDestination endpoint: the connection is not authorized."
                        .into(),
            });
        }
        let now = house.now();
        if let Some(at) = self.paces.turn(arn, key, destination.rate_per_second, now) {
            return Ok(Outcome::Wait(at));
        }
        let credentials = read(house, &scope, &connection).await?;
        self.send(house, &destination, &connection, &credentials, asked)
            .await
    }

    async fn send(
        &self,
        house: &House,
        destination: &ApiDestination,
        connection: &Connection,
        credentials: &Credentials,
        asked: Asked<'_>,
    ) -> Result<Outcome, AwsError> {
        let of = &destination.connection_arn;
        let is_oauth = connection.authorization_type == OAUTH;
        let token = if is_oauth {
            match self.tokens.of(house, of, connection, credentials).await {
                Ok(token) => Some(token),
                Err(why) => return Ok(unreachable_endpoint(true, &why)),
            }
        } else {
            None
        };
        let made = request::of(
            destination,
            &connection.authorization_type,
            credentials,
            token.as_deref(),
            asked,
        );
        let call = match made {
            Ok(made) => Call {
                patience: PATIENCE,
                max_body_bytes: TOLD_BYTES,
                ..made
            },
            Err(why) => return Ok(unreachable_endpoint(false, why)),
        };
        let answer = match house.outbound.send(call).await {
            Ok(answer) => answer,
            Err(why) => {
                let passing = !matches!(why, OutboundError::Forbidden(_));
                return Ok(unreachable_endpoint(passing, &why.to_string()));
            }
        };
        let judgement = request::judge(answer.status);
        if judgement == Judgement::Unauthorized && is_oauth {
            self.tokens.forget(of);
        }
        Ok(outcome(judgement, &answer))
    }
}

fn outcome(judgement: Judgement, answer: &Answer) -> Outcome {
    let passing = match judgement {
        Judgement::Taken => return Outcome::Done,
        Judgement::Refused => false,
        Judgement::Unauthorized | Judgement::Again => true,
    };
    let pause = answer.headers.get(http::header::RETRY_AFTER);
    let pause = pause.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Outcome::Failed {
        passing,
        pause: pause.map(Duration::from_secs),
        message: format!(
            "Unable to invoke ApiDestination endpoint: API destination returned HTTP status {} with payload: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        ),
    }
}

fn unreachable_endpoint(passing: bool, why: &str) -> Outcome {
    Outcome::Failed {
        passing,
        pause: None,
        message: format!("Unable to invoke ApiDestination endpoint: {why}"),
    }
}

/// The connection of that ARN, and where it is.
async fn connection(house: &House, arn: &str) -> Result<Option<(Scope, Connection)>, AwsError> {
    let Some((scope, name, id)) = named(arn, "connection") else {
        return Ok(None);
    };
    let stored = house.db.get::<Connection>(&scope, &name).await?;
    let stored = stored.filter(|stored| stored.id == id);
    Ok(stored.map(|stored| (scope, stored.value)))
}

/// Asks the authority of an OAuth connection for a token, to see whether it gives one.
///
/// # Errors
/// Why it does not.
pub async fn authorize(house: &House, credentials: &Credentials) -> Result<(), String> {
    token::fetch(house, credentials).await.map(drop)
}
