//! Signing certificates of users. Nothing here is signed with one: they are kept and shown.

use super::check_quota;
use crate::call::{Change, View};
use crate::error;
use crate::model::{SigningCertificate, User};
use crate::page::paged;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::BASE32;
use neargate_api_iam as api;
use neargate_service::{AwsError, Stored};
use std::sync::Arc;

const MOST_PER_USER: usize = 2;

/// Is it one block of PEM that holds a sequence of DER?
fn is_certificate(text: &str) -> bool {
    let body = text.trim().strip_prefix("-----BEGIN CERTIFICATE-----");
    let body = body.and_then(|rest| rest.strip_suffix("-----END CERTIFICATE-----"));
    let body: Option<String> = body.map(|body| body.split_whitespace().collect());
    let der = body.and_then(|body| STANDARD.decode(body).ok());
    der.is_some_and(|der| der.starts_with(&[0x30]) && der.len() > 64)
}

fn shown(user: &User, certificate: &SigningCertificate) -> api::SigningCertificate {
    let status = if certificate.active {
        "Active"
    } else {
        "Inactive"
    };
    api::SigningCertificate {
        user_name: Some(user.name.clone()),
        certificate_id: Some(certificate.id.clone()),
        certificate_body: Some(certificate.body.clone()),
        status: Some(status.into()),
        upload_date: Some(certificate.created_at),
    }
}

pub fn upload_signing_certificate(
    call: &mut Change,
    input: api::UploadSigningCertificateInput,
) -> Result<api::UploadSigningCertificateOutput, AwsError> {
    let user = call.meant_user(input.user_name.as_deref())?;
    let body = input.certificate_body;
    if !is_certificate(&body) {
        let message = format!("Certificate {body} is malformed");
        return Err(error::malformed_certificate(&message));
    }
    if call
        .signing_certificates
        .iter()
        .any(|c| c.body.trim() == body.trim())
    {
        return Err(error::signing_certificate_taken());
    }
    let own = call.signing_certificates.iter();
    let own = own.filter(|c| c.user == user.unique_id).count();
    check_quota("CertificatesPerUser", own, MOST_PER_USER)?;
    let mut random = [0; 20];
    call.cx.house.rng.fill(&mut random);
    let certificate = SigningCertificate {
        id: BASE32.encode(&random),
        user: user.unique_id.clone(),
        body,
        active: true,
        created_at: call.now(),
    };
    call.create(&certificate);
    Ok(api::UploadSigningCertificateOutput {
        certificate: Some(shown(&user, &certificate)),
    })
}

fn find(
    view: &View,
    user: Option<&str>,
    id: &str,
) -> Result<Arc<Stored<SigningCertificate>>, AwsError> {
    let user = view.meant_user(user)?;
    let certificate = view.signing_certificates.named(id);
    let certificate = certificate.filter(|c| c.user == user.unique_id).cloned();
    certificate.ok_or_else(|| {
        error::no_such_entity(format!("The Certificate with id {id} cannot be found."))
    })
}

pub fn list_signing_certificates(
    view: &View,
    input: api::ListSigningCertificatesInput,
) -> Result<api::ListSigningCertificatesOutput, AwsError> {
    let user = view.meant_user(input.user_name.as_deref())?;
    let own = view.signing_certificates.iter();
    let own = own.filter(|c| c.user == user.unique_id);
    let page = paged(own, input.marker.as_deref(), input.max_items, |c| {
        c.id().to_owned()
    })?;
    let page = page.map(|c| shown(&user, c));
    Ok(api::ListSigningCertificatesOutput {
        certificates: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn update_signing_certificate(
    call: &mut Change,
    input: api::UpdateSigningCertificateInput,
) -> Result<(), AwsError> {
    let certificate = find(call, input.user_name.as_deref(), &input.certificate_id)?;
    call.modify(&certificate, |c| c.active = input.status == "Active");
    Ok(())
}

pub fn delete_signing_certificate(
    call: &mut Change,
    input: api::DeleteSigningCertificateInput,
) -> Result<(), AwsError> {
    let certificate = find(call, input.user_name.as_deref(), &input.certificate_id)?;
    call.delete(&certificate);
    Ok(())
}
