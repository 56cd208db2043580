//! Who comes, and what he may: by a name and password of IAM's for CodeCommit, or by the signature that
//! git-remote-codecommit and the credential helper of AWS's command line make of a key. Who needs no proof
//! needs none of them; one that he brings of somebody who is known here must hold.

use super::refusal::Refusal;
use super::route::{Place, Service};
use super::{Call, Entered, text};
use crate::model::Repository;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use neargate_base::{AccountId, Region};
use neargate_service::authority::{Authority, Circumstances};
use neargate_service::door::Signer;
use neargate_service::{Ctx, Principal, Scope};
use neargate_wire::sigv4::{ALGORITHM, Claim, MAX_SKEW, SigningKey, parse_basic, sha256_hex};
use subtle::ConstantTimeEq as _;

/// How IAM calls the service in names and passwords for it.
const SERVICE: &str = "codecommit.amazonaws.com";
const SIGNING_NAME: &str = "codecommit";

/// Somebody who came.
struct Known {
    account: AccountId,
    principal: Principal,
    /// The region that a signature is for.
    region: Option<Region>,
}

impl Call {
    /// The repository, for somebody who may read it.
    pub(super) async fn enter(&self, place: &Place, service: Service) -> Result<Entered, Refusal> {
        let default = &self.visitor.default_scope;
        let given = place.region.clone().or_else(|| region_of_host(&self.host));
        let known = self.known(place, given.as_ref()).await?;
        let region = given
            .or(known.region)
            .unwrap_or_else(|| default.region.clone());
        let account = place
            .account
            .clone()
            .unwrap_or_else(|| known.account.clone());
        let scope = Scope { account, region };
        if self.visitor.must_prove && scope.account != known.account {
            return Err(Refusal::denied("The repository is of another account."));
        }
        let found = self.house.db.get::<Repository>(&scope, &place.name).await?;
        let entered = Entered {
            repository: found.ok_or_else(Refusal::not_found)?,
            principal: known.principal,
            scope,
        };
        // Which references a push is for is said later; until then who may read may see them, too.
        let reads = self.may(&entered, "codecommit:GitPull", &[]).await;
        match (reads, service) {
            (Err(_), Service::ReceivePack) => self.may(&entered, "codecommit:GitPush", &[]).await?,
            (reads, _) => reads?,
        }
        Ok(entered)
    }

    /// May he move these references?
    pub(super) async fn may_push(
        &self,
        entered: &Entered,
        names: &[String],
    ) -> Result<(), Refusal> {
        for name in names {
            let key = ("codecommit:References", vec![name.clone()]);
            self.may(entered, "codecommit:GitPush", &[key]).await?;
        }
        Ok(())
    }

    async fn may(
        &self,
        entered: &Entered,
        action: &str,
        keys: &[(&str, Vec<String>)],
    ) -> Result<(), Refusal> {
        let cx = Ctx {
            request_id: self.house.rng.uuid(),
            scope: entered.scope.clone(),
            principal: entered.principal.clone(),
            reached_at: None,
            house: self.house.clone(),
        };
        if !cx.is_bounded() {
            return Ok(());
        }
        let from = Circumstances {
            secure: self.house.settings.tls,
            ..Circumstances::default()
        };
        let arn = entered.repository.arn(&entered.scope);
        let allowed = Authority::of(&cx, &from).may_with(action, &arn, keys).await;
        allowed.map_err(|denied| Refusal::denied(denied.sentence))
    }

    async fn known(&self, place: &Place, region: Option<&Region>) -> Result<Known, Refusal> {
        let account = || place.account.clone();
        let default = &self.visitor.default_scope;
        let nobody = |chosen: Option<AccountId>| {
            let account = account()
                .or(chosen)
                .unwrap_or_else(|| default.account.clone());
            Known {
                principal: Principal::root(&account, ""),
                account,
                region: None,
            }
        };
        let free = !self.visitor.must_prove;
        let Some((user, password)) = self.given() else {
            return if free {
                Ok(nobody(None))
            } else {
                Err(Refusal::unauthorized())
            };
        };
        if let Some(known) = self.by_password(&user, &password) {
            return known;
        }
        match self.by_signature(place, region, &user, &password).await {
            Ok(known) => Ok(known),
            Err(Unproven::Refused(refusal)) => Err(refusal),
            Err(Unproven::Unknown) if free => Ok(nobody(user.parse().ok())),
            Err(Unproven::Unknown) => Err(Refusal::unauthorized()),
        }
    }

    /// `None`: nobody has this name.
    fn by_password(&self, user: &str, password: &str) -> Option<Result<Known, Refusal>> {
        let identities = self.house.identities.get();
        let found = identities.service_credential(SERVICE, user)?;
        let is_it = found
            .password
            .expose()
            .as_bytes()
            .ct_eq(password.as_bytes());
        if !bool::from(is_it) || !found.active {
            return Some(Err(Refusal::unauthorized()));
        }
        Some(Ok(Known {
            principal: Principal::user(found.principal, found.unique_id, ""),
            account: found.account,
            region: None,
        }))
    }

    /// A key, perhaps with the token of its session, and `YYYYMMDDTHHMMSSZ` before the signature.
    async fn by_signature(
        &self,
        place: &Place,
        region: Option<&Region>,
        user: &str,
        password: &str,
    ) -> Result<Known, Unproven> {
        let (key, token) = match user.split_once('%') {
            Some((key, token)) => (key, Some(token)),
            None => (user, None),
        };
        let parts = password.split_at_checked(15);
        let signed = parts.and_then(|(time, rest)| Some((time, rest.strip_prefix('Z')?)));
        let (time, signature) = signed.ok_or(Unproven::Unknown)?;
        let now = self.house.now();
        let claim = Claim {
            access_key: key.to_owned(),
            date: time.get(..8).unwrap_or_default().to_owned(),
            region: String::new(),
            service: SIGNING_NAME.to_owned(),
            signed_headers: vec!["host".to_owned()],
            signature: signature.to_owned(),
            presigned: false,
            expires_seconds: None,
            timestamp: time.to_owned(),
            signed_at: now,
            session_token: token.map(str::to_owned),
        };
        let signer = self.visitor.keys.signer(&claim);
        let signer = signer.map_err(|_| Unproven::Unknown)?;
        let Some(secret) = &signer.secret else {
            return Err(Unproven::Unknown);
        };
        let refused = || Unproven::Refused(Refusal::unauthorized());
        let at = parse_basic(&format!("{time}Z")).ok_or_else(refused)?;
        if at > now + MAX_SKEW || at < now - MAX_SKEW {
            return Err(refused());
        }
        for region in self.regions(place, region, &signer).await {
            let canonical = format!("GIT\n{}\n\nhost:{}\n\nhost\n", place.signed, self.host);
            let scope = format!("{}/{region}/{SIGNING_NAME}/aws4_request", claim.date);
            let hash = sha256_hex(canonical.as_bytes());
            let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{hash}");
            let key =
                SigningKey::derive(secret.expose(), &claim.date, region.as_str(), SIGNING_NAME);
            let is_it = key.sign(&to_sign).as_bytes().ct_eq(signature.as_bytes());
            if bool::from(is_it) {
                return Ok(Known {
                    account: signer.account,
                    principal: signer.principal,
                    region: Some(region),
                });
            }
        }
        Err(refused())
    }

    /// The regions that a signature may be for, which it does not say: that of the address, or those where
    /// the account has a repository of this name.
    async fn regions(&self, place: &Place, given: Option<&Region>, signer: &Signer) -> Vec<Region> {
        if let Some(region) = given {
            return vec![region.clone()];
        }
        let mut regions = vec![self.visitor.default_scope.region.clone()];
        let prefix = format!("codecommit/repository/{}/", signer.account);
        let all = self.house.db.list_prefix::<Repository>(&prefix).await;
        for found in all.unwrap_or_default() {
            if let Some(scope) = Scope::of_key(&found.key)
                && found.name == place.name
                && !regions.contains(&scope.region)
            {
                regions.push(scope.region);
            }
        }
        regions
    }

    /// The name and password of `Authorization: Basic`.
    fn given(&self) -> Option<(String, String)> {
        let (scheme, encoded) = text(&self.parts, AUTHORIZATION)?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }
}

/// Why a signature shows nobody.
enum Unproven {
    /// Nobody here has the key, or it is no signature.
    Unknown,
    Refused(Refusal),
}

/// `git-codecommit.eu-west-1.…` names a region.
fn region_of_host(host: &str) -> Option<Region> {
    let rest = host.strip_prefix("git-codecommit.")?;
    rest.split('.').next()?.parse().ok()
}
