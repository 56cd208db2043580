//! S3's own HTTP: buckets by path or host name, bodies that are streams, errors in S3's XML.
//!
//! It finds the operation, judges the signature, and calls the operation as the table has it; only
//! bodies go past the table.

mod address;
mod cors;
mod form;
mod posted;
mod reply;
mod root;
mod signature;
mod version2;
mod website;

pub use reply::host_id;

use crate::api::put::Incoming;
use crate::api::{get, parts, put};
use crate::asked::Asked;
use crate::content::checksum::{self, Algorithm};
use crate::content::source::Source;
use crate::{S3, bucket, error};
use address::Address;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form::Form;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use md5::{Digest as _, Md5};
use neargate_api_s3::SERVICE;
use neargate_base::time::Stopwatch;
use neargate_service::door::{Body, HttpDoor, RequestBody, Visitor};
use neargate_service::{AwsError, Ctx, House, Principal, Service, Status};
use neargate_wire::protocol;
use neargate_wire::route::rest_operation;
use neargate_wire::schema::{Location, Operation, Protocol};
use neargate_wire::sigv4::sha256_hex;
use neargate_wire::structure::{Structure, from_value};
use neargate_wire::validate::{Invalid, validate};
use neargate_wire::value::Value;
use std::sync::Arc;
use std::time::Duration;

/// The longest body that is not an object's: ten thousand parts to complete.
const MAX_DOCUMENT_BYTES: usize = 8 << 20;
/// What is read of a body that nobody wants, and for how long.
const DISCARD_BYTES: usize = 16 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// The door.
#[derive(Debug)]
pub struct Objects {
    pub s3: Arc<S3>,
}

/// One request, with its bucket in the path.
struct Call {
    cx: Ctx,
    parts: Parts,
    operation: &'static Operation,
    incoming: Incoming,
    /// How many bytes the body has, without its frame.
    length: Option<u64>,
}

#[async_trait]
impl HttpDoor for Objects {
    async fn serve(
        &self,
        house: Arc<House>,
        visitor: Visitor,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        let request_id = house.rng.hex(16).to_ascii_uppercase();
        let (parts, body) = request.into_parts();
        let address = Address::of(&parts);
        let method = parts.method.clone();
        let expects = parts.headers.contains_key(EXPECT);
        let origin = parts.headers.get("origin").and_then(|o| o.to_str().ok());
        let origin = origin.map(str::to_owned);
        let mut body = Some(body);
        if address.website || method == Method::OPTIONS {
            let asked = asked(&house, &visitor, &parts);
            let unsigned = self.unsigned(&house, &visitor, &parts, &address, &request_id);
            let mut response = asked.while_doing(unsigned).await;
            reply::mark(&mut response, &request_id);
            return response;
        }
        let asked = asked(&house, &visitor, &parts);
        let answering = self.answer(&house, &visitor, parts, &address, &request_id, &mut body);
        let answered = asked.while_doing(answering).await;
        let mut response = match answered {
            Ok(response) => response,
            Err(why) => {
                // Who waits to be told to go on is told not to.
                if let Some(rest) = body.filter(|_| !expects) {
                    let mut rest = Source::wire(rest, None, None);
                    let rest = rest.discard(DISCARD_BYTES);
                    let _ = tokio::time::timeout(DISCARD_TIME, rest).await;
                }
                reply::error(&why, &method, &address.path, &request_id)
            }
        };
        if let (Some(origin), Some(name)) = (origin, &address.bucket)
            && let Ok(bucket) = bucket::get(&house.db, name).await
        {
            cors::mark(&method, &origin, &bucket, &mut response);
        }
        reply::mark(&mut response, &request_id);
        response
    }

    async fn claims(&self, house: &Arc<House>, parts: &Parts) -> bool {
        if version2::is_header(parts) {
            return true;
        }
        match Address::of(parts).bucket {
            Some(name) if bucket::is_name(&name) => bucket::get(&house.db, &name).await.is_ok(),
            _ => false,
        }
    }
}

impl Objects {
    /// What browsers ask, of themselves and for who reads: nobody signs that.
    async fn unsigned(
        &self,
        house: &Arc<House>,
        visitor: &Visitor,
        parts: &Parts,
        address: &Address,
        request_id: &str,
    ) -> Response<Body> {
        let name = address.bucket.as_deref().unwrap_or_default();
        if parts.method == Method::OPTIONS {
            let found = bucket::get(&house.db, name).await.ok();
            let answered = cors::preflight(parts, found.as_deref());
            return answered.unwrap_or_else(|why| {
                reply::error(&why, &parts.method, &address.path, request_id)
            });
        }
        let cx = Ctx {
            request_id: request_id.to_owned(),
            scope: visitor.default_scope.clone(),
            principal: Principal::anonymous(),
            reached_at: None,
            house: house.clone(),
        };
        let key = address.key().unwrap_or_default();
        let shown = website::visit(&self.s3, &cx, &parts.method, name, &key).await;
        shown.unwrap_or_else(|why| website::error_page(&why, &parts.method, request_id))
    }

    async fn answer(
        &self,
        house: &Arc<House>,
        visitor: &Visitor,
        mut parts: Parts,
        address: &Address,
        request_id: &str,
        body: &mut Option<RequestBody>,
    ) -> Result<Response<Body>, AwsError> {
        if parts.method == Method::POST
            && let Some(boundary) = form::boundary(&parts)
            && parts.uri.query().is_none()
            && let Some(bucket) = &address.bucket
        {
            let taken = body.take().expect("a body is taken once");
            let form = Form::read(Source::wire(taken, None, None), &boundary).await?;
            let cx = (house, request_id);
            return self.post(cx, visitor, bucket, form).await;
        }
        let caller = signature::judge(&parts, &address.path, visitor, house.now())?;
        let cx = Ctx {
            request_id: request_id.to_owned(),
            scope: caller.scope,
            principal: caller.principal,
            reached_at: None,
            house: house.clone(),
        };
        parts.uri = with_path(&parts.uri, &address.path)?;
        let operation = self.operation(&parts, address)?;
        let header = |name: &str| parts.headers.get(name).and_then(|h| h.to_str().ok());
        let plain = header(CONTENT_LENGTH.as_str()).and_then(|l| l.parse().ok());
        let length = match &caller.chunks {
            Some(_) => header("x-amz-decoded-content-length").and_then(|l| l.trim().parse().ok()),
            None => plain,
        };
        let call = Call {
            cx,
            length,
            incoming: Incoming {
                sha256: caller.sha256,
                trailer: header("x-amz-trailer").map(str::to_owned),
                bounds: None,
                is_form: false,
                source: Source::whole(Bytes::new()),
            },
            operation,
            parts,
        };
        let (scope, watch) = (call.cx.scope.clone(), Stopwatch::start());
        let answered = self.run(call, body, caller.chunks).await;
        tracing::debug!(
            request_id, account = %scope.account, region = %scope.region,
            service = "s3", operation = operation.name,
            micros = watch.elapsed().as_micros() as u64,
            error = answered.as_ref().err().map(|e| e.code.as_str()),
            "call"
        );
        answered
    }

    /// The operation that a request calls.
    fn operation(&self, parts: &Parts, address: &Address) -> Result<&'static Operation, AwsError> {
        let Some(found) = rest_operation(&SERVICE, parts) else {
            let utf8 = percent_encoding::percent_decode_str(&address.path).decode_utf8();
            return Err(match utf8 {
                Err(_) => error::invalid_uri(),
                Ok(_) if address.bucket.is_none() => {
                    error::method_not_allowed(parts.method.as_str(), "SERVICE")
                }
                Ok(_) => error::method_not_allowed(parts.method.as_str(), "OBJECT"),
            });
        };
        // AWS's model has older operations at the same place.
        let name = match found.name {
            "PutBucketLifecycle" => "PutBucketLifecycleConfiguration",
            "GetBucketLifecycle" => "GetBucketLifecycleConfiguration",
            "PutBucketNotification" => "PutBucketNotificationConfiguration",
            "GetBucketNotification" => "GetBucketNotificationConfiguration",
            other => other,
        };
        Ok(SERVICE.operation(name).unwrap_or(found))
    }

    async fn run(
        &self,
        mut call: Call,
        body: &mut Option<RequestBody>,
        chunks: Option<neargate_wire::sigv4::ChunkDecoder>,
    ) -> Result<Response<Body>, AwsError> {
        let operation = call.operation;
        let house = call.cx.house.clone();
        let table = house.caller.service(SERVICE.id);
        let served = table.filter(|t| t.status(operation.name) != Status::NotYet);
        let Some(table) = served else {
            return Err(AwsError::not_implemented(SERVICE.id, operation.name));
        };
        let streams = matches!(operation.name, "PutObject" | "UploadPart");
        if streams && call.length.is_none() {
            return Err(match call.parts.headers.contains_key(TRANSFER_ENCODING) {
                true => error::header_not_built("Transfer-Encoding"),
                false => error::missing_content_length(),
            });
        }
        if streams {
            // Judged before anything of the body is read.
            let input = self.input(&**table, &call, Bytes::new())?;
            let taken = body.take().expect("a body is taken once");
            call.incoming.source = Source::wire(taken, chunks, call.length);
            let output = self.take_in(&mut call, input).await;
            if output.is_err() {
                let rest = call.incoming.source.discard(DISCARD_BYTES);
                let _ = tokio::time::timeout(DISCARD_TIME, rest).await;
            }
            return encode(operation, &output?, &call.cx.request_id);
        }
        let taken = body.take().expect("a body is taken once");
        call.incoming.source = Source::wire(taken, chunks, call.length);
        let too_large =
            || error::entity_too_large(MAX_DOCUMENT_BYTES as u64 + 1, MAX_DOCUMENT_BYTES as u64);
        let document = call
            .incoming
            .source
            .gather(MAX_DOCUMENT_BYTES, too_large)
            .await?;
        check_document(&call, &document)?;
        let input = self.input(&**table, &call, document)?;
        let Call { cx, .. } = call;
        let request_id = cx.request_id.clone();
        if operation.name == "GetObject" {
            let (output, reader) =
                get::get_object_as_stream(self.s3.clone(), cx, from_value(input)).await?;
            let partial = output.content_range.is_some();
            let mut response = encode(operation, &output.to_value(), &request_id)?;
            *response.body_mut() = reply::streamed(reader);
            if partial {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            }
            return Ok(response);
        }
        let output = table.call(cx, operation, input).await?;
        if operation.name == "GetBucketLocation" {
            return Ok(location(&output));
        }
        let mut response = encode(operation, &output, &request_id)?;
        let ranged = response.headers().contains_key(http::header::CONTENT_RANGE);
        if operation.name == "HeadObject" && ranged {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(response)
    }

    /// An operation whose body is a stream.
    async fn take_in(&self, call: &mut Call, input: Value) -> Result<Value, AwsError> {
        let (s3, cx) = (self.s3.clone(), call.cx.clone());
        let length = call.length.map(|l| l as i64);
        match call.operation.name {
            "UploadPart" => {
                let mut input: neargate_api_s3::UploadPartInput = from_value(input);
                input.content_length = length;
                let output = parts::upload_part_from(s3, cx, input, &mut call.incoming).await?;
                Ok(output.to_value())
            }
            _ => {
                let mut input: neargate_api_s3::PutObjectInput = from_value(input);
                input.content_length = length;
                let output = put::put_object_from(s3, cx, input, &mut call.incoming).await?;
                Ok(output.to_value())
            }
        }
    }

    /// What the operation is asked, valid by AWS's model.
    fn input(&self, table: &dyn Service, call: &Call, document: Bytes) -> Result<Value, AwsError> {
        let operation = call.operation;
        let mut request = Request::new(document);
        *request.method_mut() = call.parts.method.clone();
        *request.uri_mut() = call.parts.uri.clone();
        *request.headers_mut() = call.parts.headers.clone();
        let input = protocol::decode(&SERVICE, Protocol::RestXml, operation, &request);
        let mut input = input.map_err(|e| AwsError::client(e.code, e.message).status(e.status))?;
        table.admit(operation, &mut input);
        if let Some(shape) = operation.input {
            validate(&shape, &input).map_err(|why| worded(operation, &why))?;
        }
        Ok(input)
    }
}

/// How a request came in, as policies ask.
fn asked(house: &House, visitor: &Visitor, parts: &Parts) -> Asked {
    let query = parts.uri.query().unwrap_or_default();
    let secure = house.settings.is_secure();
    Asked::by(visitor.source, secure, &parts.headers, query)
}

/// What breaks the model, in S3's words: a header and a parameter are arguments, all else is XML.
fn worded(operation: &'static Operation, invalid: &Invalid) -> AwsError {
    let path = invalid.violations.first().map_or("", |v| v.path.as_str());
    let Some(shape) = operation.input else {
        return error::malformed_xml();
    };
    let members = shape.members();
    let first = path.split('.').next().unwrap_or_default();
    let member = members.iter().find(|m| m.name.eq_ignore_ascii_case(first));
    if path.ends_with("locationConstraint") {
        return error::invalid_location("");
    }
    match member {
        Some(member) if member.name == "StorageClass" => error::invalid_storage_class(""),
        Some(member)
            if matches!(
                member.location,
                Location::Header | Location::QueryString | Location::Uri
            ) =>
        {
            error::invalid_argument(member.wire_name(), "", invalid.to_string())
        }
        _ => error::malformed_xml(),
    }
}

/// Is a document what was said to come?
fn check_document(call: &Call, document: &[u8]) -> Result<(), AwsError> {
    let header = |name: &str| call.parts.headers.get(name).and_then(|h| h.to_str().ok());
    if let Some(given) = &call.incoming.sha256 {
        let computed = sha256_hex(document);
        if !given.eq_ignore_ascii_case(&computed) {
            return Err(error::sha256_mismatch(given, &computed));
        }
    }
    if !matches!(call.parts.method, Method::PUT | Method::POST) {
        return Ok(());
    }
    if let Some(given) = header("content-md5") {
        let decoded = STANDARD.decode(given).unwrap_or_default();
        if decoded.len() != 16 {
            return Err(error::invalid_digest(given));
        }
        let computed = STANDARD.encode(Md5::digest(document));
        if given != computed {
            return Err(error::bad_digest(given, &computed));
        }
    }
    // Of the object, and not of the document that completes it.
    if call.operation.name == "CompleteMultipartUpload" {
        return Ok(());
    }
    for algorithm in Algorithm::ALL {
        let name = algorithm.header();
        let trailer = call.incoming.source.trailer(&name).map(str::to_owned);
        let Some(given) = header(&name).map(str::to_owned).or(trailer) else {
            continue;
        };
        if !checksum::is_well_formed(algorithm, &given) {
            return Err(error::invalid_checksum(&name));
        }
        if checksum::of(algorithm, document) != given {
            return Err(error::bad_checksum(algorithm.name()));
        }
    }
    Ok(())
}

fn encode(
    operation: &'static Operation,
    output: &Value,
    request_id: &str,
) -> Result<Response<Body>, AwsError> {
    let reply = protocol::encode(&SERVICE, Protocol::RestXml, operation, output, request_id);
    Ok(reply.map(|body| reply::full(root::renamed(operation, body))))
}

/// A bucket's location is the text of the root element itself, which no model says.
fn location(output: &Value) -> Response<Body> {
    let region = output.field(0).and_then(Value::as_str);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let root = "LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
    match region {
        Some(region) => xml.push_str(&format!("<{root}>{region}</LocationConstraint>")),
        None => xml.push_str(&format!("<{root}/>")),
    }
    let mut response = Response::new(reply::full(xml));
    reply::set(&mut response, "content-type", "application/xml");
    response
}

fn with_path(uri: &Uri, path: &str) -> Result<Uri, AwsError> {
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    format!("{path}{query}")
        .parse()
        .map_err(|_| error::invalid_uri())
}
