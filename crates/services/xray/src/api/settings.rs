//! What holds for all traces of an account: that they are not encrypted by a key of its own, and that they come here.

use crate::{XRay, error};
use neargate_api_xray as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const XRAY: &str = "XRay";
const ACTIVE: &str = "ACTIVE";

fn unencrypted() -> api::EncryptionConfig {
    api::EncryptionConfig {
        key_id: None,
        status: Some(ACTIVE.into()),
        r#type: Some("NONE".into()),
    }
}

pub async fn get_encryption_config(
    _: Arc<XRay>,
    _: Ctx,
    _: api::GetEncryptionConfigInput,
) -> Result<api::GetEncryptionConfigOutput, AwsError> {
    Ok(api::GetEncryptionConfigOutput {
        encryption_config: Some(unencrypted()),
    })
}

pub async fn put_encryption_config(
    _: Arc<XRay>,
    _: Ctx,
    input: api::PutEncryptionConfigInput,
) -> Result<api::PutEncryptionConfigOutput, AwsError> {
    if input.r#type == "KMS" {
        return Err(error::not_built("encryption by keys of KMS"));
    }
    match input.key_id {
        Some(_) => Err(error::invalid_request(
            "KeyId is for encryption of the type KMS only.",
        )),
        None => Ok(api::PutEncryptionConfigOutput {
            encryption_config: Some(unencrypted()),
        }),
    }
}

pub async fn get_trace_segment_destination(
    _: Arc<XRay>,
    _: Ctx,
    _: api::GetTraceSegmentDestinationInput,
) -> Result<api::GetTraceSegmentDestinationOutput, AwsError> {
    Ok(api::GetTraceSegmentDestinationOutput {
        destination: Some(XRAY.into()),
        status: Some(ACTIVE.into()),
    })
}

pub async fn update_trace_segment_destination(
    _: Arc<XRay>,
    _: Ctx,
    input: api::UpdateTraceSegmentDestinationInput,
) -> Result<api::UpdateTraceSegmentDestinationOutput, AwsError> {
    match input.destination.as_deref() {
        Some(XRAY) => Ok(api::UpdateTraceSegmentDestinationOutput {
            destination: Some(XRAY.into()),
            status: Some(ACTIVE.into()),
        }),
        Some(_) => Err(error::not_built("transaction search")),
        None => Err(error::invalid_request("Destination is required.")),
    }
}
