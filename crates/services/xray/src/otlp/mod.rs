//! Spans of OpenTelemetry, by OTLP over HTTP: `POST /v1/traces`, signed for X-Ray as AWS's endpoint asks
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-OTLPEndpoint.html>). They become
//! segments, as AWS's exporter of OpenTelemetry makes them.

mod attributes;
mod segment;
#[cfg(test)]
mod tests;

use crate::XRay;
use crate::engine::{Batch, Kept};
use crate::trace::Document;
use async_trait::async_trait;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use neargate_base::Timestamp;
use neargate_service::authority::{Authority, Circumstances};
use neargate_service::door::{Body, HttpDoor, RequestBody, Signer, Visitor};
use neargate_service::{Ctx, House, Principal, Scope};
use neargate_wire::sigv4::{self, Payload, verify};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;
use std::io::Read as _;
use std::sync::Arc;

/// The longest request, packed and unpacked.
const MOST_BYTES: usize = 8 << 20;
const MOST_UNPACKED_BYTES: u64 = 32 << 20;

/// Takes spans.
#[derive(Debug)]
pub struct SpanDoor(pub Arc<XRay>);

/// Why spans are not taken.
#[derive(Debug)]
struct Refusal(StatusCode, String);

fn refuse(status: StatusCode, why: impl Into<String>) -> Refusal {
    Refusal(status, why.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

impl Form {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Form::Protobuf => "application/x-protobuf",
            Form::Json => "application/json",
        })
    }
}

#[async_trait]
impl HttpDoor for SpanDoor {
    async fn serve(
        &self,
        house: Arc<House>,
        visitor: Visitor,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        match self.take(&house, &visitor, request).await {
            Ok(response) => response,
            Err(Refusal(status, why)) => {
                let told = serde_json::json!({ "message": why }).to_string();
                answer(status, Form::Json, told.into())
            }
        }
    }
}

fn answer(status: StatusCode, form: Form, body: Bytes) -> Response<Body> {
    let body = Full::new(body).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, form.content_type());
    response
}

impl SpanDoor {
    async fn take(
        &self,
        house: &Arc<House>,
        visitor: &Visitor,
        request: Request<RequestBody>,
    ) -> Result<Response<Body>, Refusal> {
        let (parts, body) = request.into_parts();
        if parts.method != Method::POST {
            return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "Spans are posted."));
        }
        let form = form(&parts)?;
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map_err(|_| {
            let why = format!("A request has {MOST_BYTES} bytes at the most.");
            refuse(StatusCode::PAYLOAD_TOO_LARGE, why)
        })?;
        let body = body.to_bytes();
        let (scope, principal) = judge(&parts, &body, visitor, house.now())?;
        let cx = Ctx {
            request_id: house.rng.uuid(),
            scope: scope.clone(),
            principal,
            reached_at: None,
            house: house.clone(),
        };
        may(&cx).await?;
        let packed = parts.headers.get(CONTENT_ENCODING).cloned();
        let now = house.now();
        let read = crate::query::blocking(move || {
            let body = unpacked(body, packed.as_ref())?;
            let request = decode(form, &body)?;
            Ok::<_, Refusal>(segment::of(request, now))
        });
        let failed = |_| {
            refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The spans cannot be read.",
            )
        };
        let all = read.await.map_err(failed)??;
        let (mut segments, mut rejected) = (Vec::new(), 0);
        for one in all {
            match one {
                Ok(document) => segments.push(kept(document, now)),
                Err(_) => rejected += 1,
            }
        }
        let put = self.0.engine.put(Batch { scope, segments }).await;
        put.map_err(|error| {
            tracing::error!(%error, "spans cannot be kept");
            refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "The spans cannot be kept now.",
            )
        })?;
        let why =
            "spans need ids, a name, and times of the last 30 days, and take 64 KiB at the most";
        let told = ExportTraceServiceResponse {
            partial_success: (rejected > 0).then(|| ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: why.to_owned(),
            }),
        };
        let told = match form {
            Form::Protobuf => told.encode_to_vec().into(),
            Form::Json => serde_json::to_vec(&told).unwrap_or_default().into(),
        };
        Ok(answer(StatusCode::OK, form, told))
    }
}

/// Ids of OpenTelemetry need not begin with a time.
fn kept(document: Document, now: Timestamp) -> Kept {
    let begun = Timestamp::from_millis(i64::from(document.trace.epoch()) * 1000);
    let is_time = begun >= now - crate::trace::KEPT && begun <= now.shift(86_400_000);
    let start = u32::try_from(document.start.as_millis() / 1000).unwrap_or(0);
    Kept {
        trace: document.trace,
        time: if is_time {
            document.trace.epoch()
        } else {
            start
        },
        segment: document.segment,
        in_progress: document.in_progress,
        start: document.start,
        end: document.end,
        document: document.text,
    }
}

fn form(parts: &Parts) -> Result<Form, Refusal> {
    let given = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|h| h.to_str().ok());
    let given = given
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    match given.to_ascii_lowercase().as_str() {
        "application/x-protobuf" => Ok(Form::Protobuf),
        "application/json" => Ok(Form::Json),
        _ => Err(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Spans come as application/x-protobuf or application/json.",
        )),
    }
}

fn unpacked(body: Bytes, packed: Option<&HeaderValue>) -> Result<Bytes, Refusal> {
    let packed = packed.map(HeaderValue::as_bytes);
    match packed {
        None | Some(b"" | b"identity") => return Ok(body),
        Some(b"gzip") => {}
        Some(_) => {
            return Err(refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Spans may be packed with gzip only.",
            ));
        }
    }
    let mut bytes = Vec::new();
    let read = GzDecoder::new(&body[..])
        .take(MOST_UNPACKED_BYTES + 1)
        .read_to_end(&mut bytes);
    match read {
        Ok(read) if read as u64 <= MOST_UNPACKED_BYTES => Ok(bytes.into()),
        Ok(_) => Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "There are too many spans.",
        )),
        Err(_) => Err(refuse(StatusCode::BAD_REQUEST, "The body is no gzip.")),
    }
}

fn decode(form: Form, body: &[u8]) -> Result<ExportTraceServiceRequest, Refusal> {
    let wrong = |why: String| {
        refuse(
            StatusCode::BAD_REQUEST,
            format!("These are no spans: {why}"),
        )
    };
    match form {
        Form::Protobuf => {
            ExportTraceServiceRequest::decode(body).map_err(|why| wrong(why.to_string()))
        }
        Form::Json => serde_json::from_slice(body).map_err(|why| wrong(why.to_string())),
    }
}

/// Who sends, and whether that is proven.
fn judge(
    parts: &Parts,
    body: &[u8],
    visitor: &Visitor,
    now: Timestamp,
) -> Result<(Scope, Principal), Refusal> {
    let unproven = |why: String| refuse(StatusCode::FORBIDDEN, why);
    let default = &visitor.default_scope;
    let claim = match sigv4::parse(parts) {
        Ok(claim) => claim,
        Err(_) if !visitor.must_prove => None,
        Err(why) => return Err(unproven(why.to_string())),
    };
    let Some(claim) = claim else {
        return match visitor.must_prove {
            true => Err(unproven("Missing Authentication Token".into())),
            false => Ok((default.clone(), Principal::root(&default.account, ""))),
        };
    };
    let refused = |why: sigv4::SigV4Error| unproven(why.to_string());
    let Signer {
        secret,
        account,
        principal,
    } = visitor.keys.signer(&claim).map_err(refused)?;
    if let Some(secret) = secret {
        if claim.service != neargate_api_xray::SERVICE.signing_name {
            return Err(unproven(
                "Credential should be scoped to correct service: 'xray'.".into(),
            ));
        }
        let payload = Payload::of(&claim, parts).map_err(refused)?;
        let own = sigv4::sha256_hex(body);
        match &payload {
            Payload::Whole => {}
            Payload::Declared(declared) if *declared == own => {}
            _ => return Err(unproven("The signature does not cover the body.".into())),
        }
        let line = payload.hash_line(|| own.clone());
        verify(&claim, parts, &line, secret.expose(), now).map_err(refused)?;
    }
    let region = claim.region.parse();
    let region = region.map_err(|_| unproven("The region is none.".into()))?;
    Ok((Scope { account, region }, principal))
}

/// May he send spans?
async fn may(cx: &Ctx) -> Result<(), Refusal> {
    if !cx.is_bounded() {
        return Ok(());
    }
    let from = Circumstances {
        secure: cx.house.settings.is_secure(),
        ..Circumstances::default()
    };
    let allowed = Authority::of(cx, &from)
        .may_with("xray:PutSpans", "*", &[])
        .await;
    allowed.map_err(|denied| refuse(StatusCode::FORBIDDEN, denied.sentence))
}
