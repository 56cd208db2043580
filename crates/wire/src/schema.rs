//! The static description of a service: operations, shapes and their constraints.
//!
//! `cargo xtask api` emits one [`Service`] per AWS service from its model; [`crate::model`]
//! builds the same from a model at run time (for the generator and the protocol vectors).
//! Everything here is data: it knows no protocol's syntax, only the traits that protocols read.

pub use crate::pattern::Pattern;

use std::ops::Deref;
use std::sync::OnceLock;

/// One AWS service as its model describes it.
#[derive(Debug)]
pub struct Service {
    /// Our folder name and the model's folder name: `ecs`, `elbv2`.
    pub id: &'static str,
    /// The SDKs' `serviceId`: `Elastic Load Balancing v2`. Without spaces it names CBOR's path.
    pub sdk_id: &'static str,
    /// The service part of the SigV4 credential scope.
    pub signing_name: &'static str,
    /// The first label of AWS's host name: `api.ecr`, `monitoring`.
    pub endpoint_prefix: &'static str,
    /// `2014-11-13`; the `Version` parameter of the query protocols.
    pub api_version: &'static str,
    /// What precedes the dot in `X-Amz-Target`.
    pub target_prefix: Option<&'static str>,
    /// `1.0` or `1.1`.
    pub json_version: Option<&'static str>,
    pub xml_namespace: Option<&'static str>,
    /// Preferred first.
    pub protocols: &'static [Protocol],
    /// Whether replies carry `x-amzn-query-error` (the service once spoke awsQuery).
    pub query_compatible: bool,
    /// All operations AWS has, sorted by name.
    pub operations: &'static [Operation],
}

impl Service {
    /// The operation of that exact name.
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        let at = self
            .operations
            .binary_search_by(|op| op.name.cmp(name))
            .ok()?;
        Some(&self.operations[at])
    }

    /// Is a body's `Content-Encoding` part of what is stored, and so never undone? S3 alone.
    pub fn keeps_content_encoding(&self) -> bool {
        self.signing_name == S3
    }
}

/// The one service with rules of its own for bodies, their signatures and errors.
pub const S3: &str = "s3";

/// The AWS wire protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    AwsJson10,
    AwsJson11,
    Query,
    Ec2,
    RestJson,
    RestXml,
    RpcV2Cbor,
}

/// One operation. When it is not `taken`, shapes and errors are absent.
#[derive(Debug)]
pub struct Operation {
    pub name: &'static str,
    pub method: &'static str,
    /// The URI template: `/`, `/{Bucket}/{Key+}?uploads`.
    pub uri: &'static str,
    /// Status of a successful reply.
    pub status: u16,
    pub input: Option<Target>,
    pub output: Option<Target>,
    /// The root element of a restXml request body, when the model names one.
    pub input_name: Option<&'static str>,
    /// The XML namespace of a restXml request body.
    pub input_namespace: Option<&'static str>,
    /// The element around an awsQuery result.
    pub result_wrapper: Option<&'static str>,
    pub errors: &'static [&'static ErrorShape],
    /// Whether shapes are generated; if not, only the name and the URI are known.
    pub taken: bool,
}

/// The defaults that generated tables start from.
pub const OPERATION: Operation = Operation {
    name: "",
    method: "POST",
    uri: "/",
    status: 200,
    input: None,
    output: None,
    input_name: None,
    input_namespace: None,
    result_wrapper: None,
    errors: &[],
    taken: false,
};

impl Operation {
    /// The modelled error whose wire code or shape name is `code`.
    pub fn error(&self, code: &str) -> Option<&'static ErrorShape> {
        self.errors
            .iter()
            .find(|e| e.code == code || e.name == code)
            .copied()
    }
}

/// One error an operation may answer.
#[derive(Debug)]
pub struct ErrorShape {
    /// The shape's name: `ClusterNotFoundException`.
    pub name: &'static str,
    /// What stands on the wire: the name, unless the model says otherwise.
    pub code: &'static str,
    pub status: u16,
    pub fault: Fault,
    pub shape: Target,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Client,
    Server,
}

/// A reference to a shape; dereferences to it.
///
/// Generated tables use [`Target::Here`]; a model loaded at run time needs [`Target::Later`],
/// because shapes may be recursive.
#[derive(Clone, Copy)]
pub enum Target {
    Here(&'static Shape),
    Later(&'static OnceLock<&'static Shape>),
}

impl Target {
    pub fn get(self) -> &'static Shape {
        match self {
            Target::Here(shape) => shape,
            Target::Later(cell) => cell.get().expect("a loaded model has all its shapes"),
        }
    }
}

impl Deref for Target {
    type Target = Shape;

    fn deref(&self) -> &Shape {
        self.get()
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.get().name) // not the shape itself: it may be recursive
    }
}

/// A named type of the model.
#[derive(Debug)]
pub struct Shape {
    pub name: &'static str,
    pub kind: Kind,
    /// Least length (strings, blobs, lists, maps) or value (numbers).
    pub min: Option<f64>,
    /// Greatest length or value.
    pub max: Option<f64>,
    /// What a string must match, whole.
    pub pattern: Option<&'static Pattern>,
    /// The values of an enum; empty for other strings.
    pub values: &'static [&'static str],
    /// Structures: exactly one member is set.
    pub union: bool,
    /// Structures: a stream of events.
    pub event_stream: bool,
    /// Structures: the member that is the whole HTTP body.
    pub payload: Option<usize>,
    /// Lists and maps: no wrapping element in XML and query.
    pub flattened: bool,
    /// Must not be logged.
    pub sensitive: bool,
    /// The element name the shape itself asks for.
    pub location_name: Option<&'static str>,
    pub xml_namespace: Option<XmlNamespace>,
}

/// The defaults that generated tables start from.
pub const SHAPE: Shape = Shape {
    name: "",
    kind: Kind::String,
    min: None,
    max: None,
    pattern: None,
    values: &[],
    union: false,
    event_stream: false,
    payload: None,
    flattened: false,
    sensitive: false,
    location_name: None,
    xml_namespace: None,
};

impl Shape {
    /// A structure's members; empty for other kinds.
    pub fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure(members) => members,
            _ => &[],
        }
    }

    /// The index and the member of that model name.
    pub fn member(&self, name: &str) -> Option<(usize, &'static Member)> {
        self.members()
            .iter()
            .enumerate()
            .find(|(_, m)| m.name == name)
    }
}

/// What a shape is made of.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Structure(&'static [Member]),
    List(Element),
    /// Keys are always strings.
    Map {
        key: Element,
        value: Element,
    },
    String,
    Blob,
    Boolean,
    /// 32 bits; also the models' `byte` and `short`.
    Integer,
    Long,
    Float,
    Double,
    /// `None`: the protocol's own format.
    Timestamp(Option<TimestampFormat>),
    /// Any JSON.
    Document,
}

/// What a list holds, or a map's key or value.
#[derive(Debug, Clone, Copy)]
pub struct Element {
    pub shape: Target,
    pub location_name: Option<&'static str>,
    /// Overrides the shape's.
    pub timestamp: Option<TimestampFormat>,
    pub xml_namespace: Option<XmlNamespace>,
}

impl Element {
    /// The element without traits.
    pub const fn of(shape: Target) -> Self {
        Element {
            shape,
            location_name: None,
            timestamp: None,
            xml_namespace: None,
        }
    }
}

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since the epoch, with a fraction.
    EpochSeconds,
    /// RFC 3339.
    DateTime,
    /// IMF-fixdate of RFC 9110.
    HttpDate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlNamespace {
    pub prefix: Option<&'static str>,
    pub uri: &'static str,
}

/// One member of a structure.
#[derive(Debug)]
pub struct Member {
    /// The model's name: the key of CBOR and awsJson.
    pub name: &'static str,
    pub shape: Target,
    pub required: bool,
    pub location: Location,
    /// The model's `locationName`; its meaning depends on protocol and location.
    pub location_name: Option<&'static str>,
    /// ec2Query's name of an input member; of a service that speaks awsQuery beside JSON, awsQuery's name of
    /// any member.
    pub query_name: Option<&'static str>,
    /// Overrides the shape's.
    pub timestamp: Option<TimestampFormat>,
    pub flattened: bool,
    pub xml_attribute: bool,
    pub xml_namespace: Option<XmlNamespace>,
    /// A blob or event stream that is not buffered by SDKs.
    pub streaming: bool,
    /// Clients fill it with a UUID when it is absent.
    pub idempotency_token: bool,
    /// Part of the host name.
    pub host_label: bool,
    /// A string that holds JSON (base64-encoded in a header).
    pub json_value: bool,
    /// The model's `box: true`, or a scalar without a default.
    pub boxed: bool,
    /// Event streams: the member is the event's payload.
    pub event_payload: bool,
    /// Event streams: the member is a header of the event.
    pub event_header: bool,
}

impl Member {
    /// `locationName` if there is one, else the name.
    pub fn wire_name(&self) -> &'static str {
        self.location_name.unwrap_or(self.name)
    }

    /// The member's element traits: its own, over its shape's.
    pub fn timestamp_format(&self) -> Option<TimestampFormat> {
        match (self.timestamp, self.shape.kind) {
            (Some(own), _) => Some(own),
            (None, Kind::Timestamp(of_shape)) => of_shape,
            _ => None,
        }
    }

    /// Whether the list or map is written without a wrapping element.
    pub fn is_flattened(&self) -> bool {
        self.flattened || self.shape.flattened
    }
}

/// A member without traits; generated tables start from it.
pub const fn member(name: &'static str, shape: Target) -> Member {
    Member {
        name,
        shape,
        required: false,
        location: Location::Body,
        location_name: None,
        query_name: None,
        timestamp: None,
        flattened: false,
        xml_attribute: false,
        xml_namespace: None,
        streaming: false,
        idempotency_token: false,
        host_label: false,
        json_value: false,
        boxed: false,
        event_payload: false,
        event_header: false,
    }
}

/// Where a member travels in the rest protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    Body,
    /// A label of the path.
    Uri,
    QueryString,
    Header,
    /// A map whose keys follow the prefix in `location_name`.
    Headers,
    StatusCode,
}
