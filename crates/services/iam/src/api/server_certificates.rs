//! Certificates of servers, as they were kept before there was ACM
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_server-certs.html>).

use super::{all_tags, check_quota, is_under, new_tags, shown_tags};
use crate::call::{Change, View};
use crate::index::Record;
use crate::model::ServerCertificate;
use crate::page::paged;
use crate::{error, name};
use neargate_api_iam as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Stored};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use x509_parser::parse_x509_certificate;

const MOST: usize = 20;

impl View {
    pub(super) fn server_certificate(
        &self,
        name: &str,
    ) -> Result<Arc<Stored<ServerCertificate>>, AwsError> {
        let found = self.server_certificates.named(name).cloned();
        found.ok_or_else(|| error::server_certificate_not_found(name))
    }
}

/// When the certificate ends, once it is found to be one, and the key its own.
fn checked(input: &api::UploadServerCertificateInput) -> Result<Timestamp, AwsError> {
    let unreadable = || {
        error::malformed_certificate(
            "Unable to parse certificate. Please ensure the certificate is in PEM format.",
        )
    };
    let ders = |text: &str| {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        all.ok()
            .filter(|all| !all.is_empty())
            .ok_or_else(unreadable)
    };
    let own = ders(&input.certificate_body)?;
    let [own] = own.as_slice() else {
        return Err(unreadable());
    };
    if let Some(chain) = &input.certificate_chain {
        for one in ders(chain)? {
            parse_x509_certificate(&one).map_err(|_| unreadable())?;
        }
    }
    let (_, own) = parse_x509_certificate(own).map_err(|_| unreadable())?;
    let key = PrivateKeyDer::from_pem_slice(input.private_key.as_bytes());
    let key = key.ok().and_then(|key| any_supported_type(&key).ok());
    let key = key.and_then(|key| Some(key.public_key()?.as_ref().to_vec()));
    let key = key.ok_or_else(|| {
        error::malformed_certificate(
            "Unable to parse key; the body must be in PEM format and the key must not be encrypted.",
        )
    })?;
    match key == own.public_key().raw {
        true => Ok(Timestamp::from_millis(
            own.validity().not_after.timestamp().saturating_mul(1_000),
        )),
        false => Err(error::key_pair_mismatch()),
    }
}

fn metadata(view: &View, kept: &ServerCertificate) -> api::ServerCertificateMetadata {
    let arn = name::arn(view.id(), "server-certificate", &kept.path, &kept.name);
    api::ServerCertificateMetadata {
        path: Some(kept.path.clone()),
        server_certificate_name: Some(kept.name.clone()),
        server_certificate_id: Some(kept.unique_id.clone()),
        arn: Some(arn),
        upload_date: Some(kept.uploaded_at),
        expiration: Some(kept.expires_at),
    }
}

pub fn upload_server_certificate(
    call: &mut Change,
    input: api::UploadServerCertificateInput,
) -> Result<api::UploadServerCertificateOutput, AwsError> {
    let expires_at = checked(&input)?;
    let certificate_name = input.server_certificate_name;
    if call.server_certificates.named(&certificate_name).is_some() {
        return Err(error::server_certificate_taken(&certificate_name));
    }
    check_quota(
        "ServerCertificatesPerAccount",
        call.server_certificates.len(),
        MOST,
    )?;
    let house = &call.cx.house;
    let unique_id = name::unique_id(name::SERVER_CERTIFICATE, &house.rng);
    let context = format!("iam server certificate {unique_id}");
    let kept = ServerCertificate {
        name: certificate_name,
        path: name::path(input.path),
        private_key: house.root_key.seal(&context, input.private_key.as_bytes()),
        unique_id,
        body: input.certificate_body.trim().to_owned(),
        chain: input.certificate_chain.map(|chain| chain.trim().to_owned()),
        uploaded_at: call.now(),
        expires_at,
        tags: new_tags(input.tags)?,
    };
    call.create(&kept);
    Ok(api::UploadServerCertificateOutput {
        server_certificate_metadata: Some(metadata(call, &kept)),
        tags: shown_tags(&kept.tags),
    })
}

/// The private key is never shown.
pub fn get_server_certificate(
    view: &View,
    input: api::GetServerCertificateInput,
) -> Result<api::GetServerCertificateOutput, AwsError> {
    let kept = view.server_certificate(&input.server_certificate_name)?;
    Ok(api::GetServerCertificateOutput {
        server_certificate: Some(api::ServerCertificate {
            server_certificate_metadata: Some(metadata(view, &kept)),
            certificate_body: Some(kept.body.clone()),
            certificate_chain: kept.chain.clone(),
            tags: Some(all_tags(&kept.tags)),
        }),
    })
}

pub fn list_server_certificates(
    view: &View,
    input: api::ListServerCertificatesInput,
) -> Result<api::ListServerCertificatesOutput, AwsError> {
    let prefix = input.path_prefix.as_deref();
    let all = view.server_certificates.iter().map(|c| &c.value);
    let all = all.filter(|c| is_under(&c.path, prefix));
    let page = paged(all, input.marker.as_deref(), input.max_items, |c| c.id())?;
    let page = page.map(|c| metadata(view, c));
    Ok(api::ListServerCertificatesOutput {
        server_certificate_metadata_list: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn update_server_certificate(
    call: &mut Change,
    input: api::UpdateServerCertificateInput,
) -> Result<(), AwsError> {
    let kept = call.server_certificate(&input.server_certificate_name)?;
    if let Some(new) = &input.new_server_certificate_name {
        let there = call.server_certificates.named(new);
        if there.is_some_and(|there| there.unique_id != kept.unique_id) {
            return Err(error::server_certificate_taken(new));
        }
    }
    call.rename(&kept, |kept| {
        kept.path = input.new_path.unwrap_or(std::mem::take(&mut kept.path));
        kept.name = input
            .new_server_certificate_name
            .unwrap_or(std::mem::take(&mut kept.name));
    });
    Ok(())
}

pub fn delete_server_certificate(
    call: &mut Change,
    input: api::DeleteServerCertificateInput,
) -> Result<(), AwsError> {
    let kept = call.server_certificate(&input.server_certificate_name)?;
    call.delete(&kept);
    Ok(())
}
