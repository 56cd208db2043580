//! Images from registries and to them, and who may.

use super::Engine;
use super::logins::Login;
use super::reply::{self, Refusal, Reply};
use super::route::Asked;
use crate::build::familiar;
use crate::image::Reference;
use bytes::Bytes;
use http::StatusCode;
use neargate_base::task::spawn;
use serde_json::json;
use std::sync::Arc;

/// How much of a layer's digest is shown.
const SHORT: usize = 12;

impl Engine {
    /// `docker login`
    pub(super) async fn auth(&self, body: &Bytes) -> Result<Reply, Refusal> {
        let asked: Login = serde_json::from_slice(body).map_err(|e| Refusal::bad(e.to_string()))?;
        let host = match asked.serveraddress.as_str() {
            "" => "docker.io".to_owned(),
            host => self.registries.host(host),
        };
        let login = asked.login();
        let login = login.ok_or_else(|| Refusal::bad("no user name was given"))?;
        match self.builder.images().check_login(&host, &login).await {
            Ok(()) => Ok(reply::json(
                &json!({"Status": "Login Succeeded", "IdentityToken": ""}),
            )),
            Err(e) if e.kind() == crate::image::PullErrorKind::Denied => {
                Err(Refusal::new(StatusCode::UNAUTHORIZED, e.to_string()))
            }
            Err(e) => Err(Refusal::failed(e)),
        }
    }

    /// `docker pull`
    pub(super) async fn pull(self: Arc<Self>, asked: &Asked) -> Result<Reply, Refusal> {
        if asked.get("fromSrc").is_some() {
            let what = "docker import is not served: build FROM scratch with ADD";
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, what));
        }
        let image = asked.get("fromImage").unwrap_or_default();
        let name = match asked.get("tag") {
            Some(digest) if digest.contains(':') => format!("{image}@{digest}"),
            Some(tag) => format!("{image}:{tag}"),
            None => image.to_owned(),
        };
        let reference: Reference = name
            .parse()
            .map_err(|_| Refusal::bad("invalid reference format"))?;
        if let Some(header) = asked.header("x-registry-auth") {
            self.registries.take_auth(header, &name);
        }
        let (lines, reply) = reply::lines();
        drop(spawn("pull", async move {
            let full = reference.to_string();
            let shown = familiar(&full);
            lines.say(&json!({"status": format!("Pulling from {}", reference.path), "id": reference.target()}));
            let pulled = tokio::select! {
                pulled = self.builder.resolve(&full, true) => pulled,
                () = lines.gone() => return,
            };
            match pulled {
                Ok(digest) => {
                    lines.say(&json!({"status": format!("Digest: {digest}")}));
                    lines.say(
                        &json!({"status": format!("Status: Image is up to date for {shown}")}),
                    );
                }
                Err(error) => lines.fail(&error, None),
            }
        }));
        Ok(reply)
    }

    /// `docker push`
    pub(super) async fn push(self: Arc<Self>, name: &str, asked: &Asked) -> Result<Reply, Refusal> {
        let name = match asked.get("tag") {
            Some(tag) => format!("{name}:{tag}"),
            None => name.to_owned(),
        };
        let reference: Reference = name
            .parse()
            .map_err(|_| Refusal::bad("invalid reference format"))?;
        let known = self.find(&name).await.map_err(|_| {
            let bare = name
                .rsplit_once(':')
                .map_or(name.as_str(), |(bare, _)| bare);
            Refusal::missing(format!(
                "An image does not exist locally with the tag: {bare}"
            ))
        })?;
        if let Some(header) = asked.header("x-registry-auth") {
            self.registries.take_auth(header, &name);
        }
        let (lines, reply) = reply::lines();
        drop(spawn("push", async move {
            let at = format!("{}/{}", reference.domain, reference.path);
            lines.say(
                &json!({"status": format!("The push refers to repository [{}]", familiar(&at))}),
            );
            let pushed = async {
                let (reached, login) = self
                    .builder
                    .registries()
                    .reach(&reference.to_string())
                    .await?;
                let told = |digest: &neargate_blob::Digest, _: u64, sent: bool| {
                    let status = match sent {
                        true => "Pushed",
                        false => "Layer already exists",
                    };
                    lines.say(&json!({"status": status, "progressDetail": {}, "id": &digest.hex()[..SHORT]}));
                };
                let images = self.builder.images();
                let pushed = images
                    .push(&known.manifest, &reached, login.as_ref(), &told)
                    .await;
                pushed.map_err(|e| e.to_string())
            };
            let pushed = tokio::select! {
                pushed = pushed => pushed,
                () = lines.gone() => return,
            };
            match pushed {
                Ok(()) => {
                    let tag = reference.target();
                    let digest = known.manifest.to_string();
                    let size = self
                        .builder
                        .blobs()
                        .size(&known.manifest)
                        .await
                        .unwrap_or(0);
                    lines.say(&json!({"status": format!("{tag}: digest: {digest} size: {size}")}));
                    lines.say(&json!({"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest, "Size": size}}));
                }
                Err(error) => lines.fail(&error, None),
            }
        }));
        Ok(reply)
    }
}
