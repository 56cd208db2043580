//! Which repository a path means, and what is wanted of it. Pure.

use super::refusal::Refusal;
use crate::git::names;
use http::{Method, StatusCode};
use neargate_base::{AccountId, Region};

/// Whose turn it is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    UploadPack,
    ReceivePack,
}

impl Service {
    pub(super) fn name(self) -> &'static str {
        match self {
            Service::UploadPack => "git-upload-pack",
            Service::ReceivePack => "git-receive-pack",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// `GET …/info/refs?service=…`
    Advertise(Service),
    /// `POST …/git-upload-pack`
    Fetch,
    /// `POST …/git-receive-pack`
    Push,
}

impl Route {
    pub(super) fn service(self) -> Service {
        match self {
            Route::Advertise(service) => service,
            Route::Fetch => Service::UploadPack,
            Route::Push => Service::ReceivePack,
        }
    }
}

/// A repository as its address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Those that the address names; signatures and the operator's choice say the rest.
    pub(super) account: Option<AccountId>,
    pub(super) region: Option<Region>,
    pub(super) name: String,
    /// The path up to the name, which signatures are for.
    pub(super) signed: String,
}

pub(super) fn route(method: &Method, path: &str, query: &str) -> Result<(Place, Route), Refusal> {
    let (place, rest) = place(path).ok_or_else(Refusal::not_found)?;
    let services = [Service::UploadPack, Service::ReceivePack];
    let route = match rest {
        "info/refs" => {
            let mut asked = query
                .split('&')
                .filter_map(|pair| pair.strip_prefix("service="));
            let asked = asked.next();
            let service = services.into_iter().find(|s| Some(s.name()) == asked);
            // Git's dumb protocol would be given files; these are not for others to read.
            Route::Advertise(service.ok_or_else(|| {
                Refusal::new(
                    StatusCode::FORBIDDEN,
                    "Only git's smart HTTP is served here.",
                )
            })?)
        }
        "git-upload-pack" => Route::Fetch,
        "git-receive-pack" => Route::Push,
        rest if rest.starts_with("info/lfs") => {
            return Err(Refusal::new(
                StatusCode::NOT_IMPLEMENTED,
                "Neargate does not implement Git LFS yet.",
            ));
        }
        _ => return Err(Refusal::not_found()),
    };
    let wanted = match route {
        Route::Advertise(_) => Method::GET,
        Route::Fetch | Route::Push => Method::POST,
    };
    match *method == wanted {
        true => Ok((place, route)),
        false => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "The method is not for this.",
        )),
    }
}

/// The repository, and what comes behind its name.
fn place(path: &str) -> Option<(Place, &str)> {
    let (account, region, rest) = match path.strip_prefix("/codecommit/") {
        Some(rest) => {
            let (account, rest) = rest.split_once('/')?;
            let (region, rest) = rest.split_once('/')?;
            (
                Some(account.parse().ok()?),
                Some(region.parse().ok()?),
                rest,
            )
        }
        None => (None, None, path.strip_prefix('/')?),
    };
    let (name, rest) = rest.strip_prefix("v1/repos/")?.split_once('/')?;
    names::is_repository(name).then(|| {
        let place = Place {
            account,
            region,
            name: name.to_owned(),
            signed: path[..path.len() - rest.len() - 1].to_owned(),
        };
        (place, rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let get = |path, query| route(&Method::GET, path, query).ok();
        let (place, route) = get("/v1/repos/a.b/info/refs", "service=git-upload-pack").unwrap();
        assert_eq!(
            (place.name.as_str(), place.signed.as_str()),
            ("a.b", "/v1/repos/a.b")
        );
        assert_eq!(route, Route::Advertise(Service::UploadPack));
        let elsewhere = "/codecommit/123456789012/eu-west-1/v1/repos/x/info/refs";
        let (place, _) = get(elsewhere, "service=git-receive-pack").unwrap();
        assert_eq!(place.account.unwrap().as_str(), "123456789012");
        assert_eq!(
            place.signed,
            "/codecommit/123456789012/eu-west-1/v1/repos/x"
        );
        for (path, query) in [
            ("/v1/repos/x/info/refs", ""),
            ("/v1/repos/x/info/refs", "service=git-upload-archive"),
            ("/v1/repos/../info/refs", "service=git-upload-pack"),
            ("/v1/repos/a%2Fb/info/refs", "service=git-upload-pack"),
            ("/v1/repos/x/HEAD", ""),
            ("/v1/repos/x/git-receive-pack", ""),
            ("/v1/repos/x/objects/../HEAD", ""),
        ] {
            assert_eq!(get(path, query), None, "{path}?{query}");
        }
    }
}
