//! The names of the elements that answers are in. AWS's models name the shapes of its SDKs, and S3
//! says others, which some clients look for.

use bytes::Bytes;
use neargate_wire::schema::Operation;

fn name(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "ListBuckets" => "ListAllMyBucketsResult",
        "ListObjects" | "ListObjectsV2" => "ListBucketResult",
        "ListObjectVersions" => "ListVersionsResult",
        "ListMultipartUploads" => "ListMultipartUploadsResult",
        "ListParts" => "ListPartsResult",
        "CreateMultipartUpload" => "InitiateMultipartUploadResult",
        "CompleteMultipartUpload" => "CompleteMultipartUploadResult",
        "DeleteObjects" => "DeleteResult",
        "GetBucketAcl" | "GetObjectAcl" => "AccessControlPolicy",
        "GetBucketTagging" | "GetObjectTagging" => "Tagging",
        "GetBucketVersioning" => "VersioningConfiguration",
        "GetBucketCors" => "CORSConfiguration",
        "GetBucketLifecycleConfiguration" => "LifecycleConfiguration",
        "GetBucketWebsite" => "WebsiteConfiguration",
        "GetBucketLogging" => "BucketLoggingStatus",
        "GetBucketAccelerateConfiguration" => "AccelerateConfiguration",
        "GetBucketRequestPayment" => "RequestPaymentConfiguration",
        "GetObjectAttributes" => "GetObjectAttributesResponse",
        _ => return None,
    })
}

/// A document in the element that S3 has for the operation.
pub fn renamed(operation: &Operation, body: Bytes) -> Bytes {
    let (Some(name), Some(shape)) = (name(operation.name), operation.output) else {
        return body;
    };
    let Ok(text) = std::str::from_utf8(&body) else {
        return body;
    };
    let own = shape.location_name.unwrap_or(shape.name);
    let begin = format!("<{own}");
    let end = format!("</{own}>");
    let renamed = text.replacen(&begin, &format!("<{name}"), 1);
    match renamed.rsplit_once(&end) {
        Some((before, after)) => format!("{before}</{name}>{after}").into(),
        None => renamed.into(),
    }
}
