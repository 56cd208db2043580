//! Who may call: whoever brings a token of `GetAuthorizationToken` as the password of the user
//! `AWS`, in his own registries and where the policy of a repository lets him. Callers who need
//! no proof need no token either; one that they bring counts.

use super::refusal::Refusal;
use super::route::{Route, Target};
use super::{Call, text};
use crate::contents::Contents;
use crate::token::{self, Claims, Refused};
use crate::{grant, names};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use neargate_service::authority::{Authority, Circumstances};
use neargate_service::{Ctx, Principal, Scope};

/// The query parameter of a signed download link.
pub(crate) const LINK_TOKEN: &str = "token";

impl Call {
    /// Whose token was brought; `None`: nobody's, and none is needed.
    ///
    /// # Errors
    /// 401 with the challenge that makes clients send their password; 403 for an expired token
    /// or one of another account.
    pub(super) async fn authorise(&self, route: &Route) -> Result<Option<Principal>, Refusal> {
        if let (
            Route::In {
                path,
                target: Target::Blob(digest),
            },
            Some(link),
        ) = (route, self.query(LINK_TOKEN))
            && self.visitor.must_prove
        {
            let claims = self.read(&link).await?;
            let place = names::place(&self.host, path, &self.visitor.default_scope);
            let contents = Contents::open(&self.house, &place.scope, &place.repository).await?;
            let same = claims.blob.as_ref() == Some(digest)
                && claims.repository.as_ref() == Some(&contents.repository.uid);
            return if same {
                Ok(None)
            } else {
                Err(Refusal::denied("The link is for another layer."))
            };
        }
        let Some(claims) = self.claims().await? else {
            return Ok(None);
        };
        let who = claims.principal();
        let (scope, repository, actions) = match route {
            Route::Ping => return Ok(Some(who)),
            Route::Catalog => (self.scope(), None, &[][..]),
            Route::In { path, target } => {
                let place = names::place(&self.host, path, &self.visitor.default_scope);
                (place.scope, Some(place.repository), self.actions(target))
            }
        };
        let name = repository.as_deref().unwrap_or("*");
        let asked = match route {
            Route::Catalog => &["DescribeRepositories"][..],
            _ => actions,
        };
        self.may(&claims, &who, &scope, name, asked).await?;
        if claims.account == scope.account {
            return Ok(Some(who));
        }
        let Some(repository) = repository else {
            return Err(Refusal::denied(format!(
                "The authorization token is for the registry with id '{}', not '{}'.",
                claims.account, scope.account
            )));
        };
        grant::open(&self.house, &who, &scope, &repository, actions).await?;
        Ok(Some(who))
    }

    /// Whoever is no account's root may what its policies say, here as through the API.
    async fn may(
        &self,
        claims: &Claims,
        who: &Principal,
        scope: &Scope,
        name: &str,
        actions: &[&str],
    ) -> Result<(), Refusal> {
        if claims.bearer.is_none() {
            return Ok(());
        }
        let cx = Ctx {
            request_id: self.house.rng.uuid(),
            scope: scope.of_account(claims.account.clone()),
            principal: who.clone(),
            reached_at: None,
            house: self.house.clone(),
        };
        let from = Circumstances {
            secure: self.house.settings.is_secure(),
            ..Circumstances::default()
        };
        let authority = Authority::of(&cx, &from);
        let resource = scope.arn("ecr", format!("repository/{name}"));
        for action in actions {
            let allowed = authority.may(&format!("ecr:{action}"), &resource).await;
            allowed.map_err(|denied| Refusal::denied(denied.sentence))?;
        }
        Ok(())
    }

    /// What a repository's policy must grant another account: a layer that is whole in one
    /// request, or linked by it, is an upload from its beginning to its end.
    fn actions(&self, target: &Target) -> &'static [&'static str] {
        match target {
            Target::BeginUpload if ["digest", "mount"].iter().any(|q| self.query(q).is_some()) => {
                &[
                    "InitiateLayerUpload",
                    "UploadLayerPart",
                    "CompleteLayerUpload",
                ]
            }
            target => target.actions(),
        }
    }

    /// What the password says that the caller brings; `None` when he needs none, and brings none
    /// that is good.
    async fn claims(&self) -> Result<Option<Claims>, Refusal> {
        let claims = match self.password() {
            None => Err(self.challenge()),
            Some(password) => match self.read(&password).await {
                Ok(claims) if claims.blob.is_some() => Err(self.challenge()),
                read => read,
            },
        };
        match claims {
            Err(_) if !self.visitor.must_prove => Ok(None),
            claims => claims.map(Some),
        }
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
        let scheme = if self.house.settings.tls {
            "https"
        } else {
            "http"
        };
        let challenge = format!("Basic realm=\"{scheme}://{host}/\",service=\"ecr.amazonaws.com\"");
        Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Not Authorized")
            .header(WWW_AUTHENTICATE, &challenge)
    }
}
