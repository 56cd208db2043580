//! A project's cache in S3: what the buildspec's `cache` names is there again in the next build
//! (<https://docs.aws.amazon.com/codebuild/latest/userguide/caching-s3.html>).
//!
//! A cache never fails a build: what cannot be read or written is told in the log.

use super::container;
use crate::archive::MAX_BYTES;
use crate::buildspec::Cache;
use crate::model::Build;
use crate::plan::script::quoted;
use bytes::Bytes;
use neargate_api_s3 as s3;
use neargate_service::session::Place;
use neargate_service::{Caller, House, Scope};
use std::sync::Arc;

/// Bucket and key of the build's cache; `None` where it has none in S3.
pub fn location(build: &Build, cache: &Cache) -> Option<(String, String)> {
    let of = build.shown.cache.as_ref().filter(|of| of.r#type == "S3")?;
    let at = of.location.as_deref()?.trim_start_matches("arn:aws:s3:::");
    let (bucket, prefix) = at.split_once('/').unwrap_or((at, ""));
    let namespace = of
        .cache_namespace
        .as_deref()
        .unwrap_or_else(|| build.project());
    let key = cache.key.as_deref().unwrap_or("cache");
    let name = format!("{key}.tar");
    let parts = [prefix.trim_matches('/'), namespace, &name];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    (!bucket.is_empty() && !cache.paths.is_empty()).then(|| (bucket.to_owned(), parts.join("/")))
}

/// A link to the directory of the sources, by which a cache names what lies there: each build has another one.
const SOURCE: &str = "/codebuild/source";

/// The directory or file that a path of the buildspec begins with, before its first wildcard.
pub fn base(path: &str, source: &str) -> Option<String> {
    let fixed: Vec<&str> = path
        .split('/')
        .take_while(|part| !part.contains(['*', '?', '[']))
        .collect();
    let fixed = fixed.join("/");
    let whole = match path.starts_with('/') {
        true => fixed,
        false => format!("{source}/{fixed}"),
    };
    let whole = whole.trim_end_matches('/').to_owned();
    let climbs = whole.split('/').any(|part| part == "..");
    (!whole.is_empty() && !climbs).then_some(whole)
}

/// Puts what an earlier build kept into the container; answers what the log is to say.
pub async fn restore(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    place: &Place,
    cache: &Cache,
) -> Option<String> {
    let (bucket, key) = location(build, cache)?;
    let input = s3::GetObjectInput {
        bucket: bucket.clone(),
        key: key.clone(),
        ..Default::default()
    };
    let got = Caller::call::<s3::ops::GetObject>(house, scope, build.role(), &input).await;
    let bytes: Bytes = match got {
        Ok(got) => got.body.unwrap_or_default(),
        Err(error) => {
            return Some(format!(
                "Unable to download cache: {}: {}\n",
                error.code, error.message
            ));
        }
    };
    let length = bytes.len();
    // Phases that run already, of a driver before this one, are not disturbed.
    let unpack = format!(
        "[ ! -e /codebuild/run/go ] || {{ head -c {length} >/dev/null; exit 0; }}
mkdir -p {0} && ln -sfn {0} {SOURCE}
head -c {length} | tar -C / -xf - >/dev/null 2>&1",
        quoted(&build.source_dir())
    );
    match container::run(house, place, &unpack, Some(bytes), 1 << 20).await {
        Ok(said) if said.code == 0 => Some(format!(
            "Successfully extracted cache from s3://{bucket}/{key}\n"
        )),
        Ok(said) => Some(format!(
            "Unable to extract cache: tar ended with {}\n",
            said.code
        )),
        Err(why) => Some(format!("Unable to extract cache: {why:?}\n")),
    }
}

/// Keeps what the build made for the next one; answers what the log is to say.
pub async fn keep(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    place: &Place,
    cache: &Cache,
) -> Option<String> {
    let (bucket, key) = location(build, cache)?;
    let bases = cache.paths.iter().filter_map(|path| base(path, SOURCE));
    let mut bases: Vec<String> = bases
        .map(|path| quoted(path.trim_start_matches('/')))
        .collect();
    bases.sort();
    bases.dedup();
    let pack = format!(
        "ln -sfn {} {SOURCE} && cd / && set -- && for f in {}; do [ ! -e \"$f\" ] || set -- \"$@\" \"$f\"; done
[ $# -gt 0 ] || exit 92
tar -cf - \"$@\" 2>/dev/null",
        quoted(&build.source_dir()),
        bases.join(" ")
    );
    let most = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    let bytes = match container::run(house, place, &pack, None, most).await {
        Ok(said) if said.code == 92 => {
            return Some("Unable to upload cache: none of its paths exists\n".into());
        }
        Ok(said) if said.code <= 1 => said.bytes,
        Ok(said) => {
            return Some(format!(
                "Unable to upload cache: tar ended with {}\n",
                said.code
            ));
        }
        Err(why) => return Some(format!("Unable to upload cache: {why:?}\n")),
    };
    let input = s3::PutObjectInput {
        bucket: bucket.clone(),
        key: key.clone(),
        body: Some(bytes.into()),
        ..Default::default()
    };
    let put = Caller::call::<s3::ops::PutObject>(house, scope, build.role(), &input).await;
    Some(match put {
        Ok(_) => format!("Successfully uploaded cache to s3://{bucket}/{key}\n"),
        Err(error) => format!(
            "Unable to upload cache: {}: {}\n",
            error.code, error.message
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_to_their_first_wildcard() {
        let of = |path| base(path, "/src");
        assert_eq!(of("/root/.m2/**/*").as_deref(), Some("/root/.m2"));
        assert_eq!(
            of("node_modules/**/*").as_deref(),
            Some("/src/node_modules")
        );
        assert_eq!(of("*").as_deref(), Some("/src"));
        assert_eq!(of("/*"), None);
        assert_eq!(of("../x"), None);
    }
}
