//! The operation table: which handler serves which operation, and how completely.

use crate::ctx::Ctx;
use crate::error::AwsError;
use crate::linked_role;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use neargate_policy::{Reach, Requester};
use neargate_wire::schema::{self, Operation};
use neargate_wire::structure::{self, OperationDef, Structure};
use neargate_wire::validate::Invalid;
use neargate_wire::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

type Reply = Pin<Box<dyn Future<Output = Result<Value, AwsError>> + Send>>;
type Opening = Pin<Box<dyn Future<Output = Result<Events, AwsError>> + Send>>;
type Opener<S> = Box<dyn Fn(Arc<S>, Ctx, Value) -> Opening + Send + Sync>;
type Handler<S> = Box<dyn Fn(Arc<S>, Ctx, Value) -> Reply + Send + Sync>;

/// The longest body of a request, unless the operation's row says otherwise: a full `PutLogEvents`
/// batch fits, with its escapes.
pub const MAX_BODY_BYTES: usize = 8 << 20;

/// How far an operation is built; `docs/compatibility.md` is made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Works,
    /// What differs from AWS or is missing.
    Partly(&'static str),
    NotYet,
}

/// An answer that goes on: what is sent, one after the other, until it ends.
pub type Events = BoxStream<'static, Sent>;

/// One event of an answer that goes on, or the error that ends it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The member of the answer's stream that it is.
    pub name: &'static str,
    pub is_exception: bool,
    pub value: Value,
}

impl Sent {
    pub fn event(name: &'static str, value: Value) -> Sent {
        Sent {
            name,
            is_exception: false,
            value,
        }
    }

    pub fn exception(name: &'static str, value: Value) -> Sent {
        Sent {
            is_exception: true,
            ..Sent::event(name, value)
        }
    }
}

/// What somebody wants of a resource, as its service is asked whether anything but a policy lets him.
#[derive(Debug, Clone, Copy)]
pub struct GrantRequest<'a> {
    pub requester: Requester<'a>,
    /// Without its prefix: `ReEncryptFrom`.
    pub action: &'a str,
    pub resource: &'a str,
    /// `aws:SourceArn`.
    pub source_arn: Option<&'a str>,
    /// The call; `None`: what is wanted is no operation.
    pub call: Option<(&'static Operation, &'a Value)>,
}

type Grants =
    for<'a> fn(&'a Ctx, GrantRequest<'a>) -> BoxFuture<'a, Result<Option<Reach>, AwsError>>;

/// A service as the gateway and the internal caller see it.
pub trait Service: fmt::Debug + Send + Sync {
    fn schema(&self) -> &'static schema::Service;
    fn status(&self, operation: &str) -> Status;
    /// How this service words input that breaks the model's constraints.
    fn invalid(&self, invalid: &Invalid) -> AwsError;
    /// Does the operation take JSON text that is not all Unicode, as AWS does with log lines?
    fn takes_any_text(&self, operation: &str) -> bool;
    /// Is the operation for callers who sign with no key, too?
    fn is_for_anybody(&self, operation: &str) -> bool;
    /// Does the service take no calls by sessions of users and roots, which AWS takes for IAM only
    /// where they had a second factor
    /// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>)?
    fn refuses_users_sessions(&self) -> bool;
    /// The longest body of a request for the operation, in bytes.
    fn max_body_bytes(&self, operation: &str) -> usize;
    /// Make what AWS takes though its model does not into what it is taken for, before the model
    /// is asked.
    fn admit(&self, operation: &'static Operation, input: &mut Value);
    /// How near something that is no policy comes to letting who asks: a grant of KMS.
    fn grant<'a>(
        &'a self,
        cx: &'a Ctx,
        wanted: GrantRequest<'a>,
    ) -> BoxFuture<'a, Result<Option<Reach>, AwsError>>;
    /// `input` is decoded and validated against the model.
    fn call(&self, cx: Ctx, operation: &'static Operation, input: Value) -> Reply;
    /// Does the operation's answer go on? Then it is opened, and not called.
    fn goes_on(&self, operation: &str) -> bool;
    /// `input` is decoded and validated against the model.
    fn open(&self, cx: Ctx, operation: &'static Operation, input: Value) -> Opening;
}

/// Handlers of one service, sharing its state `S`.
pub struct OperationTable<S> {
    schema: &'static schema::Service,
    state: Arc<S>,
    invalid: fn(&Invalid) -> AwsError,
    any_text: BTreeSet<&'static str>,
    for_anybody: BTreeSet<&'static str>,
    refuses_users_sessions: bool,
    max_body_bytes: BTreeMap<&'static str, usize>,
    admit: fn(&'static Operation, &mut Value),
    grants: Option<Grants>,
    handlers: BTreeMap<&'static str, (Status, Handler<S>)>,
    openers: BTreeMap<&'static str, Opener<S>>,
}

impl<S: Send + Sync + 'static> OperationTable<S> {
    pub fn new(schema: &'static schema::Service, state: Arc<S>) -> Self {
        let invalid =
            |invalid: &Invalid| AwsError::client("ValidationException", invalid.to_string());
        OperationTable {
            schema,
            state,
            invalid,
            any_text: BTreeSet::new(),
            for_anybody: BTreeSet::new(),
            refuses_users_sessions: false,
            max_body_bytes: BTreeMap::new(),
            admit: |_, _| {},
            grants: None,
            handlers: BTreeMap::new(),
            openers: BTreeMap::new(),
        }
    }

    /// How the service words input that breaks the model; `ValidationException` unless set.
    pub fn wording(mut self, invalid: fn(&Invalid) -> AwsError) -> Self {
        self.invalid = invalid;
        self
    }

    /// Text of this operation need not be Unicode; see [`Service::takes_any_text`].
    pub fn any_text<O: OperationDef>(mut self, _: O) -> Self {
        self.any_text.insert(O::NAME);
        self
    }

    /// See [`Service::refuses_users_sessions`].
    pub fn without_users_sessions(mut self) -> Self {
        self.refuses_users_sessions = true;
        self
    }

    /// See [`Service::is_for_anybody`].
    pub fn for_anybody<O: OperationDef>(mut self, _: O) -> Self {
        self.for_anybody.insert(O::NAME);
        self
    }

    /// The longest body of a request for this operation; [`MAX_BODY_BYTES`] unless set.
    pub fn takes_up_to<O: OperationDef>(mut self, _: O, bytes: usize) -> Self {
        self.max_body_bytes.insert(O::NAME, bytes);
        self
    }

    /// See [`Service::admit`].
    pub fn admitting(mut self, admit: fn(&'static Operation, &mut Value)) -> Self {
        self.admit = admit;
        self
    }

    /// See [`Service::grant`].
    pub fn granting(mut self, grants: Grants) -> Self {
        self.grants = Some(grants);
        self
    }

    /// An operation that works as AWS documents it.
    pub fn on<O, F, Fut>(self, operation: O, handler: F) -> Self
    where
        O: OperationDef,
        F: Fn(Arc<S>, Ctx, O::Input) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O::Output, AwsError>> + Send + 'static,
    {
        self.add(operation, Status::Works, handler)
    }

    /// An operation that works but for `lacking`.
    pub fn partly<O, F, Fut>(self, operation: O, handler: F, lacking: &'static str) -> Self
    where
        O: OperationDef,
        F: Fn(Arc<S>, Ctx, O::Input) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O::Output, AwsError>> + Send + 'static,
    {
        self.add(operation, Status::Partly(lacking), handler)
    }

    /// An operation whose answer goes on. Who calls it inside the house is told that it is not
    /// for him.
    pub fn going_on<O, F, Fut>(mut self, operation: O, open: F) -> Self
    where
        O: OperationDef,
        F: Fn(Arc<S>, Ctx, O::Input) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Events, AwsError>> + Send + 'static,
    {
        let id = self.schema.id;
        let opener: Opener<S> = Box::new(move |state, cx, input| {
            Box::pin(open(state, cx, structure::from_value(input)))
        });
        self.openers.insert(O::NAME, opener);
        self.on(operation, move |_, _, _: O::Input| async move {
            Err(AwsError::not_implemented(id, O::NAME))
        })
    }

    fn add<O, F, Fut>(mut self, _: O, status: Status, handler: F) -> Self
    where
        O: OperationDef,
        F: Fn(Arc<S>, Ctx, O::Input) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O::Output, AwsError>> + Send + 'static,
    {
        let boxed: Handler<S> = Box::new(move |state, cx, input| {
            let reply = handler(state, cx, structure::from_value(input));
            Box::pin(async move { Ok(reply.await?.to_value()) })
        });
        let twice = self.handlers.insert(O::NAME, (status, boxed));
        assert!(twice.is_none(), "{} is in the table twice", O::NAME);
        self
    }
}

impl<S: Send + Sync + 'static> Service for OperationTable<S> {
    fn schema(&self) -> &'static schema::Service {
        self.schema
    }

    fn status(&self, operation: &str) -> Status {
        self.handlers
            .get(operation)
            .map_or(Status::NotYet, |(status, _)| *status)
    }

    fn invalid(&self, invalid: &Invalid) -> AwsError {
        (self.invalid)(invalid)
    }

    fn takes_any_text(&self, operation: &str) -> bool {
        self.any_text.contains(operation)
    }

    fn is_for_anybody(&self, operation: &str) -> bool {
        self.for_anybody.contains(operation)
    }

    fn refuses_users_sessions(&self) -> bool {
        self.refuses_users_sessions
    }

    fn max_body_bytes(&self, operation: &str) -> usize {
        let set = self.max_body_bytes.get(operation);
        set.copied().unwrap_or(MAX_BODY_BYTES)
    }

    fn admit(&self, operation: &'static Operation, input: &mut Value) {
        (self.admit)(operation, input);
    }

    fn grant<'a>(
        &'a self,
        cx: &'a Ctx,
        wanted: GrantRequest<'a>,
    ) -> BoxFuture<'a, Result<Option<Reach>, AwsError>> {
        match self.grants {
            Some(grants) => grants(cx, wanted),
            None => Box::pin(async { Ok(None) }),
        }
    }

    fn call(&self, cx: Ctx, operation: &'static Operation, input: Value) -> Reply {
        match self.handlers.get(operation.name) {
            Some((_, handler)) => match linked_role::of(self.schema, operation.name) {
                None => handler(self.state.clone(), cx, input),
                Some(service) => {
                    let reply = handler(self.state.clone(), cx.clone(), input);
                    Box::pin(async move {
                        let output = reply.await?;
                        linked_role::make(&cx, service).await;
                        Ok(output)
                    })
                }
            },
            None => {
                let error = AwsError::not_implemented(self.schema.id, operation.name);
                Box::pin(async move { Err(error) })
            }
        }
    }

    fn goes_on(&self, operation: &str) -> bool {
        self.openers.contains_key(operation)
    }

    fn open(&self, cx: Ctx, operation: &'static Operation, input: Value) -> Opening {
        match self.openers.get(operation.name) {
            Some(opener) => opener(self.state.clone(), cx, input),
            None => {
                let error = AwsError::not_implemented(self.schema.id, operation.name);
                Box::pin(async move { Err(error) })
            }
        }
    }
}

impl<S> fmt::Debug for OperationTable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationTable")
            .field("service", &self.schema.id)
            .finish_non_exhaustive()
    }
}
