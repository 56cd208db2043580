//! Who may call: in development mode anyone, else whoever brings a token of
//! `GetAuthorizationToken` as the password of the user `AWS`.

use super::refusal::Refusal;
use super::route::{Route, Target};
use super::{Call, text};
use crate::ecr::contents::Contents;
use crate::ecr::names;
use crate::ecr::token::{self, Claims, Refused};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

/// The query parameter of a signed download link.
pub(crate) const LINK_TOKEN: &str = "token";

impl Call {
    /// # Errors
    /// 401 with the challenge that makes clients send their password; 403 for an expired token
    /// or one of another account.
    pub(super) async fn authorise(&self, route: &Route) -> Result<(), Refusal> {
        if !self.caller.enforced {
            return Ok(());
        }
        if let (
            Route::In {
                path,
                target: Target::Blob(digest),
            },
            Some(link),
        ) = (route, self.query(LINK_TOKEN))
        {
            let claims = self.read(&link).await?;
            let place = names::place(&self.host, path, &self.caller.default_scope);
            let contents = Contents::open(&self.house, &place.scope, &place.repository).await?;
            let same = claims.blob.as_ref() == Some(digest)
                && claims.repository.as_ref() == Some(&contents.repository.uid);
            return if same {
                Ok(())
            } else {
                Err(Refusal::denied("The link is for another layer."))
            };
        }
        let password = self.password().ok_or_else(|| self.challenge())?;
        let claims = self.read(&password).await?;
        if claims.blob.is_some() {
            return Err(self.challenge());
        }
        let scope = match route {
            Route::Ping => return Ok(()),
            Route::Catalog => self.scope(),
            Route::In { path, .. } => {
                names::place(&self.host, path, &self.caller.default_scope).scope
            }
        };
        if claims.account == scope.account {
            return Ok(());
        }
        Err(Refusal::denied(format!(
            "The authorization token is for the registry with id '{}', not '{}'.",
            claims.account, scope.account
        )))
    }

    async fn read(&self, token: &str) -> Result<Claims, Refusal> {
        match token::verify(&self.house, token).await? {
            Ok(claims) => Ok(claims),
            Err(Refused::Invalid) => Err(self.challenge()),
            Err(Refused::Expired) => Err(Refusal::denied(
                "Your authorization token has expired. Reauthenticate and try again.",
            )),
        }
    }

    /// The password of `Basic AWS:<password>`.
    fn password(&self) -> Option<String> {
        let (scheme, encoded) = text(&self.parts, AUTHORIZATION)?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        (user == "AWS").then(|| password.to_owned())
    }

    fn challenge(&self) -> Refusal {
        let host: String = self
            .host
            .chars()
            .filter(|c| !matches!(c, '"' | '\\'))
            .collect();
        let challenge = format!("Basic realm=\"http://{host}/\",service=\"ecr.amazonaws.com\"");
        Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Not Authorized")
            .header(WWW_AUTHENTICATE, &challenge)
    }
}
