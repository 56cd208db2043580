//! Neargate's own pages under `/_neargate/`, for its command line: what AWS has no operation for.
//! They take JSON and answer JSON, but for the metrics. The gateway has found out who asks.

mod events;
mod host;
mod instances;
mod mail;
mod publications;

pub use host::{Host, TaskUsage, Traffic};

use crate::{ControlPlane, error};
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use neargate_cloudwatch::prometheus;
use neargate_ecs::spot;
use neargate_service::door::Body;
use neargate_service::{AwsError, House, Scope};
use neargate_wire::Structure;
use neargate_wire::json::{self, Form};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// A page's content.
pub(crate) enum Page {
    Json(Value),
    /// Prometheus's form.
    Text(String),
    /// A JSON object a line, for as long as they come.
    Lines(Body),
}

/// All pages of one control plane.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) control_plane: Arc<ControlPlane>,
    /// A control plane alone has none.
    pub(crate) host: Option<Arc<dyn Host>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Interrupt {
    cluster: Option<String>,
    task: String,
}

impl Pages {
    fn house(&self) -> &Arc<House> {
        &self.control_plane.house
    }

    /// The nodes connected now.
    pub(crate) fn nodes(&self) -> Vec<String> {
        self.control_plane.ecs.nodes.ids()
    }

    /// The page asked for, as `scope` may see it.
    pub(crate) async fn serve(
        &self,
        scope: &Scope,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Page, AwsError> {
        let path: Vec<&str> = parts.uri.path().split('/').skip(2).collect();
        let found = match (&parts.method, &path[..]) {
            (&Method::GET, ["events"]) => {
                let query = parts.uri.query().unwrap_or_default();
                let events = &self.control_plane.ecs.events;
                return events::page(events, scope, query).map(Page::Lines);
            }
            (&Method::GET, ["metrics"]) => {
                let (metrics, now) = (&self.control_plane.metrics, self.house().now());
                return Ok(Page::Text(prometheus::text(metrics, &scope.account, now)));
            }
            (&Method::GET, ["usage"]) => {
                let tasks = self.host()?.usage(&scope.account).await;
                json!({ "tasks": tasks })
            }
            (&Method::POST, ["spot", "interrupt"]) => self.interrupt(scope, parse(body)?).await?,
            (&Method::GET, ["instances"]) => self.instances(scope).await?,
            (&Method::POST, ["instances"]) => self.add_instances(scope, parse(body)?).await?,
            (&Method::DELETE, ["instances", id]) => {
                let asked = match body.is_empty() {
                    true => instances::Removal::default(),
                    false => parse(body)?,
                };
                self.remove_instance(scope, id, &asked).await?
            }
            (&Method::GET, ["publications"]) => self.publications(scope).await?,
            (&Method::POST, ["publications"]) => self.publish(scope, parse(body)?).await?,
            (&Method::DELETE, ["publications", port]) => self.unpublish(scope, port).await?,
            (&Method::GET, ["mail"]) => self.mails(scope).await?,
            (&Method::GET, ["mail", id]) => self.mail(scope, id).await?,
            (&Method::GET, ["authority"]) => {
                let certificate = neargate_acm::authority::certificate(self.house()).await?;
                json!({ "certificate": certificate })
            }
            (
                _,
                [
                    "authority" | "events" | "mail" | "metrics" | "usage" | "instances"
                    | "publications" | "spot",
                    ..,
                ],
            ) => {
                return Err(error::wrong_method());
            }
            _ => return Err(error::no_such_page()),
        };
        Ok(Page::Json(found))
    }

    async fn interrupt(&self, scope: &Scope, asked: Interrupt) -> Result<Value, AwsError> {
        let cluster = asked.cluster.as_deref();
        let task = spot::interrupt(self.house(), scope, cluster, &asked.task).await?;
        let task = json::write(neargate_api_ecs::Task::SHAPE, &task.to_value(), Form::WIRE);
        Ok(json!({ "task": task }))
    }

    fn host(&self) -> Result<&Arc<dyn Host>, AwsError> {
        self.host.as_ref().ok_or_else(|| {
            AwsError::not_implemented("neargate", "host pages of a control plane without a node")
        })
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    serde_json::from_slice(body).map_err(|e| error::invalid_body(&e))
}
