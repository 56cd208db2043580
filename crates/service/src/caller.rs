//! The internal caller: how one family asks another, by operation name, under a role.

use crate::authority::{self, Authority, Circumstances, Denied};
use crate::ctx::{Ctx, House, Scope};
use crate::deliver::Sender;
use crate::error::AwsError;
use crate::identity::{Kind, Principal, Session, assumed_role_arn};
use crate::table::Service;
use neargate_base::Arn;
use neargate_wire::json::{self, Form};
use neargate_wire::schema::{self, Kind as SchemaKind, Shape};
use neargate_wire::structure::{self, OperationDef, Structure};
use neargate_wire::validate::validate;
use neargate_wire::value::Value;
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
            reached_at: None,
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

impl Caller {
    /// Call an operation that only its name tells, with JSON as the SDKs write it.
    ///
    /// # Errors
    /// The operation's own; a denial; [`AwsError::not_implemented`] when it is not served here.
    pub async fn call_by_name(
        house: &Arc<House>,
        scope: &Scope,
        by: By<'_>,
        (service, operation): (&str, &str),
        input: serde_json::Value,
    ) -> Result<serde_json::Value, AwsError> {
        let missing = || AwsError::not_implemented(service, operation);
        let table = house.caller.service(service).ok_or_else(missing)?;
        let operation = table.schema().operation(operation).ok_or_else(missing)?;
        let cx = Ctx {
            request_id: house.rng.uuid(),
            scope: scope.clone(),
            principal: Principal::service(by.name()),
            reached_at: None,
            house: house.clone(),
        };
        let mut input = match operation.input {
            None => Value::Struct(Vec::new()),
            Some(shape) => {
                let tree = by_wire_names(shape.get(), input);
                json::read(shape.get(), tree, Form::WIRE).map_err(|refused| {
                    AwsError::client("SerializationException", refused.message)
                })?
            }
        };
        table.admit(operation, &mut input);
        if let Some(shape) = operation.input {
            validate(&shape, &input).map_err(|invalid| table.invalid(&invalid))?;
        }
        match by {
            By::Role(role) if house.settings.enforced && !is_of_service(role) => {
                let session = Ctx {
                    principal: session(house, role),
                    ..cx.clone()
                };
                let from = Circumstances::default();
                authority::authorize(&session, &from, &**table, operation, &input).await?;
            }
            By::Service(sender) if house.settings.enforced => {
                let from = Circumstances {
                    secure: true,
                    sender: Some(sender.clone()),
                    ..Circumstances::default()
                };
                authority::authorize(&cx, &from, &**table, operation, &input).await?;
            }
            By::Principal(principal) if house.settings.enforced => {
                let session = Ctx {
                    principal: principal.clone(),
                    ..cx.clone()
                };
                if session.is_bounded() {
                    let from = Circumstances {
                        secure: true,
                        ..Circumstances::default()
                    };
                    authority::authorize(&session, &from, &**table, operation, &input).await?;
                }
            }
            By::Role(_) | By::Service(_) | By::Principal(_) => {}
        }
        let output = table.call(cx, operation, input).await?;
        Ok(match operation.output {
            None => serde_json::Value::Null,
            Some(shape) => json::write(shape.get(), &output, Form::WIRE),
        })
    }
}

impl Caller {
    /// May a role do what is no operation, `events:InvokeApiDestination`?
    ///
    /// # Errors
    /// When policies are enforced, and its own do not let it.
    pub async fn may(
        house: &Arc<House>,
        scope: &Scope,
        role: &str,
        action: &str,
        arn: &str,
    ) -> Result<(), Denied> {
        if !house.settings.enforced || is_of_service(role) {
            return Ok(());
        }
        let cx = Ctx {
            request_id: house.rng.uuid(),
            scope: scope.clone(),
            principal: session(house, role),
            reached_at: None,
            house: house.clone(),
        };
        let authority = Authority::of(&cx, &Circumstances::default());
        authority.may(action, arn).await
    }
}

/// In whose name an operation is called.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// A role's, by its ARN: its policies say whether it may.
    Role(&'a str),
    /// A service's own: the resource's policy does.
    Service(&'a Sender),
    /// Whoever asked for it earlier: his policies say whether he may.
    Principal(&'a Principal),
}

impl<'a> By<'a> {
    fn name(self) -> &'a str {
        match self {
            By::Role(role) => role,
            By::Service(sender) => sender.service,
            By::Principal(principal) => &principal.arn,
        }
    }
}

/// The tree with members as the wire names them; the SDKs begin them with a capital.
fn by_wire_names(shape: &'static Shape, tree: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Tree;
    match (shape.kind, tree) {
        (SchemaKind::Structure(members), Tree::Object(given)) => {
            let renamed = given.into_iter().map(|(name, value)| {
                let named = |m: &&schema::Member| {
                    m.name.eq_ignore_ascii_case(&name) || m.wire_name().eq_ignore_ascii_case(&name)
                };
                match members.iter().find(named) {
                    Some(member) => {
                        let value = by_wire_names(member.shape.get(), value);
                        (member.wire_name().to_owned(), value)
                    }
                    None => (name, value),
                }
            });
            Tree::Object(renamed.collect())
        }
        (SchemaKind::List(of), Tree::Array(items)) => {
            let items = items
                .into_iter()
                .map(|item| by_wire_names(of.shape.get(), item));
            Tree::Array(items.collect())
        }
        (SchemaKind::Map { value: of, .. }, Tree::Object(given)) => {
            let given = given.into_iter();
            let given = given.map(|(key, value)| (key, by_wire_names(of.shape.get(), value)));
            Tree::Object(given.collect())
        }
        (_, tree) => tree,
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
