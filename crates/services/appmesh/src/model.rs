//! What App Mesh stores: the objects of meshes, which the API alone writes.

use neargate_api_appmesh as api;
use neargate_base::Timestamp;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope, db};
use neargate_wire::json::Json;
use neargate_wire::structure::Structure;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// A kind of object.
pub trait Kind: Debug + Clone + PartialEq + Send + Sync + 'static {
    type Spec: Structure + PartialEq;
    /// The kind of its records.
    const RECORD: &'static str;
    /// What AWS's sentences call it: `VirtualNode`.
    const NOUN: &'static str;
    /// What ARNs call it.
    const IN_ARN: &'static str;
    /// What ARNs call that which it belongs to, and that belongs to the mesh.
    const PARENT_IN_ARN: Option<&'static str> = None;
}

/// `<record>/…/<mesh>[/<name>]`, of routes and gateway routes `<record>/…/<mesh>/<parent>/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Object<K: Kind> {
    pub mesh: String,
    /// The virtual router of a route, the virtual gateway of a gateway route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    pub name: String,
    pub uid: String,
    /// 1 when it is made; each update raises it.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub spec: Json<K::Spec>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Of the call that made it, or changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

/// A call that may be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub client_token: String,
    /// Of the whole request.
    pub digest: String,
}

impl<K: Kind> Resource for Object<K> {
    const KIND: &'static str = K::RECORD;
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    pub mesh: String,
    pub parent: Option<String>,
    pub name: String,
}

impl At {
    pub fn mesh(name: &str) -> At {
        At {
            mesh: name.to_owned(),
            parent: None,
            name: name.to_owned(),
        }
    }

    pub fn key<K: Kind>(&self, scope: &Scope) -> String {
        let id = match &self.parent {
            None if K::RECORD == Mesh::RECORD => self.mesh.clone(),
            None => format!("{}/{}", self.mesh, self.name),
            Some(parent) => format!("{}/{parent}/{}", self.mesh, self.name),
        };
        db::key::<Object<K>>(scope, &id)
    }

    pub fn arn<K: Kind>(&self, scope: &Scope) -> String {
        let At { mesh, parent, name } = self;
        let resource = match (parent, K::PARENT_IN_ARN) {
            _ if K::RECORD == Mesh::RECORD => format!("mesh/{mesh}"),
            (Some(parent), Some(of)) => {
                format!("mesh/{mesh}/{of}/{parent}/{}/{name}", K::IN_ARN)
            }
            _ => format!("mesh/{mesh}/{}/{name}", K::IN_ARN),
        };
        scope.arn("appmesh", resource)
    }
}

impl<K: Kind> Object<K> {
    pub fn at(&self) -> At {
        At {
            mesh: self.mesh.clone(),
            parent: self.parent.clone(),
            name: self.name.clone(),
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($spec:ident, $record:literal, $noun:literal, $arn:literal $(, $parent:literal)?);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $kind;

        impl Kind for $kind {
            type Spec = api::$spec;
            const RECORD: &'static str = $record;
            const NOUN: &'static str = $noun;
            const IN_ARN: &'static str = $arn;
            $(const PARENT_IN_ARN: Option<&'static str> = Some($parent);)?
        }
    )*};
}

kinds! {
    Mesh(MeshSpec, "appmesh/mesh", "Mesh", "mesh");
    VirtualNode(VirtualNodeSpec, "appmesh/virtual-node", "VirtualNode", "virtualNode");
    VirtualRouter(VirtualRouterSpec, "appmesh/virtual-router", "VirtualRouter", "virtualRouter");
    Route(RouteSpec, "appmesh/route", "Route", "route", "virtualRouter");
    VirtualService(VirtualServiceSpec, "appmesh/virtual-service", "VirtualService", "virtualService");
    VirtualGateway(VirtualGatewaySpec, "appmesh/virtual-gateway", "VirtualGateway", "virtualGateway");
    GatewayRoute(GatewayRouteSpec, "appmesh/gateway-route", "GatewayRoute", "gatewayRoute", "virtualGateway");
}

/// `appmesh/changes/…/<mesh>`: whatever changes in a mesh is written together with it, so that no two changes
/// of a mesh miss each other, and whoever waits for a change of the mesh looks at one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    pub count: u64,
}

impl Resource for Changes {
    const KIND: &'static str = "appmesh/changes";
}
