//! AWS Certificate Manager: certificates that are imported, and certificates that are issued by an
//! authority of this installation, which nobody else knows ([`authority`]).
//!
//! The records are `neargate_service::certificate`'s: whoever uses a certificate reads them.

mod api;
pub mod authority;
mod error;
mod model;
mod pem;
mod renewal;
#[cfg(test)]
mod tests;
mod x509;

use async_trait::async_trait;
use neargate_api_acm::{SERVICE, ops};
use neargate_service::certificate;
use neargate_service::{
    AfterReset, AwsError, Background, Component, House, OperationTable, Service,
};
use std::sync::Arc;

/// ACM's handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct Acm;

const ISSUED: &str = "issued at once by the authority of this installation; keys are EC_prime256v1 \
    where a call names none, EC_secp384r1 too; RSA, private authorities, validation by HTTP and \
    export are refused";

#[async_trait]
impl Component for Acm {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        house.authority.take(self);
        background.spawn("certificate-renewal", renewal::run(house));
    }

    /// The authority outlives a reset: who trusts it goes on trusting it.
    async fn reset(self: Arc<Self>, house: &Arc<House>) -> Result<AfterReset, AwsError> {
        let kept = authority::kept(house).await?;
        let house = house.clone();
        Ok(AfterReset::new(async move || match kept {
            Some(kept) => authority::put_back(&house, &kept).await,
            None => Ok(()),
        }))
    }
}

#[async_trait]
impl certificate::Authority for Acm {
    async fn certify(&self, house: &House, name: &str, key: &str) -> Result<String, AwsError> {
        authority::certify(house, name, key).await
    }

    async fn root(&self, house: &House) -> Result<String, AwsError> {
        authority::certificate(house).await
    }
}

/// Which operations are served, and how completely.
fn table(acm: Arc<Acm>) -> OperationTable<Acm> {
    use api::{certificates, import, list, request, tags};
    OperationTable::new(&SERVICE, acm)
        .on(ops::AddTagsToCertificate, tags::add_tags_to_certificate)
        .on(ops::DeleteCertificate, certificates::delete_certificate)
        .on(ops::DescribeCertificate, certificates::describe_certificate)
        .on(ops::GetCertificate, certificates::get_certificate)
        .on(ops::ImportCertificate, import::import_certificate)
        .partly(
            ops::ListCertificates,
            list::list_certificates,
            "without a filter of key types all are listed, not those of RSA alone",
        )
        .on(ops::ListTagsForCertificate, tags::list_tags_for_certificate)
        .on(
            ops::RemoveTagsFromCertificate,
            tags::remove_tags_from_certificate,
        )
        .partly(
            ops::RequestCertificate,
            request::request_certificate,
            ISSUED,
        )
}
