//! The operations that are served, and how completely.

use crate::api::{
    acl, attributes, buckets, copy, delete, get, list, lock, multipart, notifications, parts, put,
    rules, settings, tagging, uploads, versions_list,
};
use crate::{S3, error};
use neargate_api_s3::{SERVICE, ops};
use neargate_service::OperationTable;
use std::sync::Arc;

pub fn table(s3: Arc<S3>) -> OperationTable<S3> {
    let table = OperationTable::new(&SERVICE, s3).wording(error::invalid);
    objects(of_buckets(table))
}

fn of_buckets(table: OperationTable<S3>) -> OperationTable<S3> {
    table
        .on(ops::CreateBucket, buckets::create_bucket)
        .on(ops::HeadBucket, buckets::head_bucket)
        .on(ops::ListBuckets, buckets::list_buckets)
        .on(ops::DeleteBucket, buckets::delete_bucket)
        .on(ops::GetBucketLocation, buckets::get_bucket_location)
        .partly(
            ops::PutBucketVersioning,
            settings::put_bucket_versioning,
            "without MFA delete",
        )
        .on(ops::GetBucketVersioning, settings::get_bucket_versioning)
        .on(ops::PutBucketTagging, tagging::put_bucket_tagging)
        .on(ops::GetBucketTagging, tagging::get_bucket_tagging)
        .on(ops::DeleteBucketTagging, tagging::delete_bucket_tagging)
        .on(ops::PutBucketPolicy, settings::put_bucket_policy)
        .on(ops::GetBucketPolicy, settings::get_bucket_policy)
        .on(
            ops::GetBucketPolicyStatus,
            settings::get_bucket_policy_status,
        )
        .on(ops::DeleteBucketPolicy, settings::delete_bucket_policy)
        .on(ops::PutPublicAccessBlock, settings::put_public_access_block)
        .on(ops::GetPublicAccessBlock, settings::get_public_access_block)
        .on(
            ops::DeletePublicAccessBlock,
            settings::delete_public_access_block,
        )
        .on(
            ops::PutBucketOwnershipControls,
            settings::put_bucket_ownership_controls,
        )
        .on(
            ops::GetBucketOwnershipControls,
            settings::get_bucket_ownership_controls,
        )
        .on(
            ops::DeleteBucketOwnershipControls,
            settings::delete_bucket_ownership_controls,
        )
        .on(ops::PutBucketAcl, acl::put_bucket_acl)
        .on(ops::GetBucketAcl, acl::get_bucket_acl)
        .on(ops::PutBucketCors, settings::put_bucket_cors)
        .on(ops::GetBucketCors, settings::get_bucket_cors)
        .on(ops::DeleteBucketCors, settings::delete_bucket_cors)
        .on(ops::PutBucketWebsite, settings::put_bucket_website)
        .on(ops::GetBucketWebsite, settings::get_bucket_website)
        .on(ops::DeleteBucketWebsite, settings::delete_bucket_website)
        .partly(
            ops::PutBucketLifecycleConfiguration,
            rules::put_bucket_lifecycle_configuration,
            "transitions are kept and move nothing: all storage is of one kind",
        )
        .on(
            ops::GetBucketLifecycleConfiguration,
            rules::get_bucket_lifecycle_configuration,
        )
        .on(ops::DeleteBucketLifecycle, rules::delete_bucket_lifecycle)
        .partly(
            ops::PutBucketEncryption,
            settings::put_bucket_encryption,
            "BlockedEncryptionTypes is kept and blocks nothing",
        )
        .on(ops::GetBucketEncryption, settings::get_bucket_encryption)
        .on(
            ops::DeleteBucketEncryption,
            settings::delete_bucket_encryption,
        )
        .partly(
            ops::PutBucketNotificationConfiguration,
            notifications::put_bucket_notification_configuration,
            "to queues, topics and EventBridge; not to Lambda functions; records tell no source address",
        )
        .on(
            ops::GetBucketNotificationConfiguration,
            notifications::get_bucket_notification_configuration,
        )
        .on(ops::GetBucketLogging, settings::get_bucket_logging)
        .on(
            ops::GetBucketAccelerateConfiguration,
            settings::get_bucket_accelerate_configuration,
        )
        .on(
            ops::GetBucketRequestPayment,
            settings::get_bucket_request_payment,
        )
        .partly(
            ops::PutBucketRequestPayment,
            settings::put_bucket_request_payment,
            "the owner pays",
        )
        .partly(
            ops::PutObjectLockConfiguration,
            lock::put_object_lock_configuration,
            "without event holds",
        )
        .on(
            ops::GetObjectLockConfiguration,
            lock::get_object_lock_configuration,
        )
}

fn objects(table: OperationTable<S3>) -> OperationTable<S3> {
    table
        .on(ops::PutObject, put::put_object)
        .on(ops::GetObject, get::get_object)
        .on(ops::HeadObject, get::head_object)
        .on(ops::CopyObject, copy::copy_object)
        .on(ops::DeleteObject, delete::delete_object)
        .on(ops::DeleteObjects, delete::delete_objects)
        .on(ops::ListObjects, list::list_objects)
        .on(ops::ListObjectsV2, list::list_objects_v2)
        .on(ops::ListObjectVersions, versions_list::list_object_versions)
        .on(ops::PutObjectTagging, tagging::put_object_tagging)
        .on(ops::GetObjectTagging, tagging::get_object_tagging)
        .on(ops::DeleteObjectTagging, tagging::delete_object_tagging)
        .on(ops::GetObjectAttributes, attributes::get_object_attributes)
        .on(ops::PutObjectAcl, acl::put_object_acl)
        .on(ops::GetObjectAcl, acl::get_object_acl)
        .partly(
            ops::PutObjectRetention,
            lock::put_object_retention,
            "without event holds",
        )
        .on(ops::GetObjectRetention, lock::get_object_retention)
        .on(ops::PutObjectLegalHold, lock::put_object_legal_hold)
        .on(ops::GetObjectLegalHold, lock::get_object_legal_hold)
        .on(ops::CreateMultipartUpload, uploads::create_multipart_upload)
        .on(ops::UploadPart, parts::upload_part)
        .on(ops::UploadPartCopy, parts::upload_part_copy)
        .on(ops::ListParts, parts::list_parts)
        .on(ops::ListMultipartUploads, uploads::list_multipart_uploads)
        .on(
            ops::CompleteMultipartUpload,
            multipart::complete_multipart_upload,
        )
        .on(ops::AbortMultipartUpload, uploads::abort_multipart_upload)
}
