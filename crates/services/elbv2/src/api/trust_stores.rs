//! Trust stores: mutual authentication is refused, so that there are none.

use crate::{Elbv2, error};
use neargate_api_elbv2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_trust_stores(
    _: Arc<Elbv2>,
    _: Ctx,
    input: api::DescribeTrustStoresInput,
) -> Result<api::DescribeTrustStoresOutput, AwsError> {
    let named = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|l| !l.is_empty());
    match named(&input.trust_store_arns) || named(&input.names) {
        true => Err(error::trust_store_not_found()),
        false => Ok(api::DescribeTrustStoresOutput {
            trust_stores: Some(Vec::new()),
            next_marker: None,
        }),
    }
}
