//! The certificate of the key that messages are signed with, where `SigningCertURL` says.

use crate::deliver::Deliveries;
use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use neargate_service::House;
use neargate_service::door::{Body, HttpDoor, RequestBody, Visitor};
use std::sync::Arc;

#[derive(Debug)]
pub struct CertificateDoor(pub Arc<Deliveries>);

#[async_trait]
impl HttpDoor for CertificateDoor {
    async fn serve(
        &self,
        house: Arc<House>,
        _: Visitor,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, String::new());
        }
        match self.0.signers.get(&house).await {
            Ok(signer) if signer.path == request.uri().path() => {
                answer(StatusCode::OK, signer.certificate.clone())
            }
            Ok(_) => answer(StatusCode::NOT_FOUND, String::new()),
            Err(error) => {
                tracing::error!(%error, "there is no certificate of what messages are signed with");
                answer(StatusCode::SERVICE_UNAVAILABLE, String::new())
            }
        }
    }
}

fn answer(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let pem = HeaderValue::from_static("application/x-pem-file");
    response.headers_mut().insert(CONTENT_TYPE, pem);
    response
}
