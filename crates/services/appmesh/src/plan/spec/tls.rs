//! What TLS may be: of listeners, and of those who connect to them. Virtual gateways' shapes have names of
//! their own, though they say the same; [`super::alike`] makes them virtual nodes'.

use super::one_of;
use crate::error;
use neargate_api_appmesh as api;
use neargate_base::Arn;
use neargate_service::AwsError;

/// # Errors
/// Where a union has not exactly one member, or an ARN is none of ACM's.
pub fn listener(tls: &api::ListenerTls) -> Result<(), AwsError> {
    let certificate = &tls.certificate;
    let members = [
        ("acm", certificate.acm.is_some()),
        ("file", certificate.file.is_some()),
        ("sds", certificate.sds.is_some()),
    ];
    one_of("The listener's TLS certificate", &members)?;
    if let Some(acm) = &certificate.acm {
        let parsed: Result<Arn, _> = acm.certificate_arn.parse();
        if !parsed.is_ok_and(|arn| arn.service == "acm") {
            return Err(error::bad_request(format!(
                "The certificate ARN {} is invalid",
                acm.certificate_arn
            )));
        }
    }
    if let Some(validation) = &tls.validation {
        let trust = &validation.trust;
        let members = [("file", trust.file.is_some()), ("sds", trust.sds.is_some())];
        one_of("The listener's TLS validation trust", &members)?;
    }
    Ok(())
}

/// # Errors
/// Where a union has not exactly one member.
pub fn client(tls: &api::ClientPolicyTls) -> Result<(), AwsError> {
    if let Some(certificate) = &tls.certificate {
        let members = [
            ("file", certificate.file.is_some()),
            ("sds", certificate.sds.is_some()),
        ];
        one_of("The client policy's TLS certificate", &members)?;
    }
    let trust = &tls.validation.trust;
    let members = [
        ("acm", trust.acm.is_some()),
        ("file", trust.file.is_some()),
        ("sds", trust.sds.is_some()),
    ];
    one_of("The client policy's TLS validation trust", &members)
}
