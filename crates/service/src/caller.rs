//! The internal caller: how one family asks another, by operation name, under a role.

use crate::authority::{self, Circumstances};
use crate::ctx::{Ctx, House, Scope};
use crate::error::AwsError;
use crate::identity::{Kind, Principal, Session, assumed_role_arn};
use crate::table::Service;
use neargate_base::Arn;
use neargate_wire::structure::{self, OperationDef, Structure};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Every service of this process, by id. Filled once, when the house is built.
#[derive(Debug, Default)]
pub struct Caller {
    services: OnceLock<BTreeMap<&'static str, Arc<dyn Service>>>,
}

impl Caller {
    /// # Panics
    /// When called twice.
    pub fn connect(&self, services: Vec<Arc<dyn Service>>) {
        let by_id = services.into_iter().map(|s| (s.schema().id, s)).collect();
        self.services.set(by_id).expect("the house is built once");
    }

    pub fn services(&self) -> impl Iterator<Item = &Arc<dyn Service>> {
        self.services.get().into_iter().flat_map(BTreeMap::values)
    }

    pub fn service(&self, id: &str) -> Option<&Arc<dyn Service>> {
        self.services.get()?.get(id)
    }

    /// Call an operation of another service in `scope` under `role`.
    ///
    /// # Errors
    /// The operation's own; [`AwsError::not_implemented`] when it is not served here.
    pub async fn call<O: OperationDef>(
        house: &Arc<House>,
        scope: &Scope,
        role: &str,
        input: &O::Input,
    ) -> Result<O::Output, AwsError> {
        let schema = O::service();
        let operation = schema.operations.iter().find(|o| o.name == O::NAME);
        let (Some(service), Some(operation)) = (house.caller.service(schema.id), operation) else {
            return Err(AwsError::not_implemented(schema.id, O::NAME));
        };
        let request_id = house.rng.uuid();
        let cx = Ctx {
            request_id,
            scope: scope.clone(),
            principal: Principal::service(role),
            house: house.clone(),
        };
        let input = input.to_value();
        if house.settings.enforced && !is_of_service(role) {
            let from = Circumstances::default();
            let session = Ctx {
                principal: session(house, role),
                ..cx.clone()
            };
            authority::authorize(&session, &from, &**service, operation, &input).await?;
        }
        let output = service.call(cx, operation, input).await?;
        Ok(structure::from_value(output))
    }
}

/// Is it the role of a service, which AWS makes for it with what it needs?
fn is_of_service(role: &str) -> bool {
    role.contains(":role/aws-service-role/")
}

/// The service as a session of the role that it was given, whose policies say what it may.
fn session(house: &House, role: &str) -> Principal {
    let now = house.now();
    let arn: Result<Arn, _> = role.parse();
    Principal {
        kind: Kind::AssumedRole,
        arn: arn.map_or_else(
            |_| role.to_owned(),
            |arn| assumed_role_arn(&arn, "neargate"),
        ),
        session: Some(Arc::new(Session::of(role, now, now))),
        ..Principal::service(role)
    }
}
