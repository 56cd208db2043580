//! Which end point a request means. Repository names contain slashes, so paths are read from
//! their end.

use super::refusal::Refusal;
use http::Method;
use neargate_blob::Digest;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    Ping,
    Catalog,
    /// `path` is the repository as the client names it.
    In {
        path: String,
        target: Target,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// GET or HEAD.
    Blob(Digest),
    DeleteBlob(Digest),
    BeginUpload,
    UploadStatus(String),
    AppendUpload(String),
    FinishUpload(String),
    CancelUpload(String),
    /// GET or HEAD, by tag or digest.
    Manifest(String),
    PutManifest(String),
    DeleteManifest(String),
    Tags,
    Referrers(Digest),
}

impl Target {
    /// What a repository's policy must grant another account, as ECR has it.
    pub(super) fn actions(&self) -> &'static [&'static str] {
        match self {
            Target::Blob(_) => &["GetDownloadUrlForLayer"],
            Target::Manifest(_) => &["BatchGetImage"],
            Target::Tags | Target::Referrers(_) => &["ListImages"],
            Target::BeginUpload => &["InitiateLayerUpload"],
            Target::UploadStatus(_) | Target::AppendUpload(_) | Target::CancelUpload(_) => {
                &["UploadLayerPart"]
            }
            Target::FinishUpload(_) => &["UploadLayerPart", "CompleteLayerUpload"],
            Target::PutManifest(_) => &["PutImage"],
            Target::DeleteManifest(_) | Target::DeleteBlob(_) => &["BatchDeleteImage"],
        }
    }
}

pub(super) fn route(method: &Method, path: &str) -> Result<Route, Refusal> {
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let rest = path
        .strip_prefix("/v2")
        .unwrap_or_default()
        .trim_start_matches('/');
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match rest {
        "" if reads => return Ok(Route::Ping),
        "_catalog" if reads => return Ok(Route::Catalog),
        "" | "_catalog" => return Err(Refusal::unsupported()),
        _ => {}
    }
    let (repository, target) = target(method, reads, rest)?;
    if !crate::names::is_repository(repository) {
        return Err(Refusal::name_invalid(repository));
    }
    Ok(Route::In {
        path: repository.to_owned(),
        target,
    })
}

fn target<'a>(method: &Method, reads: bool, rest: &'a str) -> Result<(&'a str, Target), Refusal> {
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return if reads {
            Ok((repository, Target::Tags))
        } else {
            Err(Refusal::unsupported())
        };
    }
    let uploads = rest
        .strip_suffix('/')
        .unwrap_or(rest)
        .strip_suffix("/blobs/uploads");
    if let Some(repository) = uploads {
        return match *method {
            Method::POST => Ok((repository, Target::BeginUpload)),
            _ => Err(Refusal::unsupported()),
        };
    }
    let (before, last) = rest.rsplit_once('/').ok_or_else(Refusal::unknown)?;
    if let Some(repository) = before.strip_suffix("/blobs/uploads") {
        let id = last.to_owned();
        let target = match *method {
            Method::GET | Method::HEAD => Target::UploadStatus(id),
            Method::PATCH => Target::AppendUpload(id),
            Method::PUT => Target::FinishUpload(id),
            Method::DELETE => Target::CancelUpload(id),
            _ => return Err(Refusal::unsupported()),
        };
        return Ok((repository, target));
    }
    let (repository, kind) = before.rsplit_once('/').ok_or_else(Refusal::unknown)?;
    let digest = || {
        last.parse::<Digest>()
            .map_err(|_| Refusal::digest_invalid(last))
    };
    let target = match (kind, method) {
        ("blobs", _) if reads => Target::Blob(digest()?),
        ("blobs", &Method::DELETE) => Target::DeleteBlob(digest()?),
        ("manifests", _) if reads => Target::Manifest(last.to_owned()),
        ("manifests", &Method::PUT) => Target::PutManifest(last.to_owned()),
        ("manifests", &Method::DELETE) => Target::DeleteManifest(last.to_owned()),
        ("referrers", _) if reads => Target::Referrers(digest()?),
        ("blobs" | "manifests" | "referrers", _) => return Err(Refusal::unsupported()),
        _ => return Err(Refusal::unknown()),
    };
    Ok((repository, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let digest = Digest::of(b"x");
        let at = |path: &str, target| Route::In {
            path: path.into(),
            target,
        };
        for (method, path, expected) in [
            (Method::GET, "/v2/".to_owned(), Route::Ping),
            (Method::GET, "/v2".to_owned(), Route::Ping),
            (Method::GET, "/v2/_catalog".to_owned(), Route::Catalog),
            (
                Method::HEAD,
                format!("/v2/a/b/blobs/{digest}"),
                at("a/b", Target::Blob(digest)),
            ),
            (
                Method::POST,
                "/v2/a/blobs/uploads/".into(),
                at("a", Target::BeginUpload),
            ),
            (
                Method::PATCH,
                "/v2/a/blobs/uploads/u".into(),
                at("a", Target::AppendUpload("u".into())),
            ),
            (
                Method::PUT,
                "/v2/a/blobs/uploads/manifests/v1".into(),
                at("a/blobs/uploads", Target::PutManifest("v1".into())),
            ),
            (
                Method::GET,
                "/v2/a/manifests/tags/list".into(),
                at("a/manifests", Target::Tags),
            ),
            (
                Method::GET,
                format!("/v2/000000000000/us-east-1/a/referrers/{digest}"),
                at("000000000000/us-east-1/a", Target::Referrers(digest)),
            ),
        ] {
            assert_eq!(route(&method, &path).ok(), Some(expected), "{path}");
        }
        for (method, path) in [
            (Method::GET, "/v2/a"),
            (Method::GET, "/v2/manifests/x"),
            (Method::GET, "/v2/A/manifests/x"),
            (Method::GET, "/v2/../a/manifests/x"),
            (Method::GET, "/v2/a/blobs/sha256:1"),
            (Method::POST, "/v2/a/manifests/x"),
        ] {
            assert!(route(&method, path).is_err(), "{path}");
        }
    }
}
