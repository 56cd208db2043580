//! `DeleteService`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html>).

use super::find;
use super::show::{self, WithTags};
use crate::model::{Scheduling, State};
use crate::{Ecs, error};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use std::sync::Arc;

/// The service drains from now on; by force also when it is not scaled to 0.
pub async fn delete_service(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DeleteServiceInput,
) -> Result<api::DeleteServiceOutput, AwsError> {
    loop {
        let (id, found) = find(&cx, input.cluster.as_deref(), &input.service).await?;
        let read = found.ok_or_else(error::service_not_found)?;
        match read.state() {
            State::Active => {}
            // <https://github.com/aws/aws-sdk-js/issues/4189> shows an INACTIVE one.
            State::Draining | State::Inactive => {
                let service = Some(show::service(&ecs, &cx, &id, &read, WithTags::IfAny).await?);
                return Ok(api::DeleteServiceOutput { service });
            }
        }
        let scaled = read.spec.scheduling == Scheduling::Replica && read.spec.desired_count > 0;
        if scaled && input.force != Some(true) {
            return Err(error::service_is_scaled());
        }
        let mut service = read.value.clone();
        service.spec.deleted_at = Some(cx.now());
        service.spec.desired_count = 0;
        let tx = cx.db().tx().update(&read, &service);
        if let Committed::At(revision) = tx.commit().await? {
            let stored = Stored {
                key: read.key,
                revision,
                value: service,
            };
            let service = Some(show::service(&ecs, &cx, &id, &stored, WithTags::IfAny).await?);
            return Ok(api::DeleteServiceOutput { service });
        }
    }
}
