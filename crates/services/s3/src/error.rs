//! Every sentence that S3 says when it refuses
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).

use neargate_blob::BlobError;
use neargate_service::AwsError;
use neargate_wire::sigv4::{ErrorStyle, SigV4Error};
use neargate_wire::validate::Invalid;
use std::io;

fn client(status: u16, code: &str, message: impl Into<String>) -> AwsError {
    AwsError::client(code, message).status(status)
}

/// Input that breaks the model. What travels in headers and in the query string is an argument, all
/// else is XML.
pub fn invalid(_: &Invalid) -> AwsError {
    malformed_xml()
}

pub fn malformed_xml() -> AwsError {
    client(
        400,
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

pub fn signature(error: &SigV4Error) -> AwsError {
    let answer = error.answer(ErrorStyle::S3);
    client(answer.status, answer.code, answer.message)
}

pub fn incomplete_body() -> AwsError {
    signature(&SigV4Error::IncompleteBody)
}

pub fn request_timeout() -> AwsError {
    client(
        400,
        "RequestTimeout",
        "Your socket connection to the server was not read from or written to within the timeout \
         period. Idle connections will be closed.",
    )
}

pub fn access_denied() -> AwsError {
    client(403, "AccessDenied", "Access Denied")
}

pub fn access_denied_because(why: impl Into<String>) -> AwsError {
    client(403, "AccessDenied", why)
}

pub fn no_such_bucket(name: &str) -> AwsError {
    client(404, "NoSuchBucket", "The specified bucket does not exist").field("BucketName", name)
}

pub fn no_such_key(key: &str) -> AwsError {
    client(404, "NoSuchKey", "The specified key does not exist.").field("Key", key)
}

pub fn no_such_version(key: &str, version: &str) -> AwsError {
    client(
        404,
        "NoSuchVersion",
        "The specified version does not exist.",
    )
    .field("Key", key)
    .field("VersionId", version)
}

pub fn no_such_upload(id: &str) -> AwsError {
    client(
        404,
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have \
         been aborted or completed.",
    )
    .field("UploadId", id)
}

/// A setting that the bucket does not have.
pub fn unset(code: &str, message: &str, bucket: &str) -> AwsError {
    client(404, code, message).field("BucketName", bucket)
}

pub fn invalid_bucket_name(name: &str) -> AwsError {
    client(
        400,
        "InvalidBucketName",
        "The specified bucket is not valid.",
    )
    .field("BucketName", name)
}

pub fn bucket_already_exists(name: &str) -> AwsError {
    client(
        409,
        "BucketAlreadyExists",
        "The requested bucket name is not available. The bucket namespace is shared by all users of \
         the system. Please select a different name and try again.",
    )
    .field("BucketName", name)
}

pub fn bucket_already_owned_by_you(name: &str) -> AwsError {
    client(
        409,
        "BucketAlreadyOwnedByYou",
        "Your previous request to create the named bucket succeeded and you already own it.",
    )
    .field("BucketName", name)
}

pub fn bucket_not_empty(name: &str, versioned: bool) -> AwsError {
    let message = match versioned {
        true => {
            "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
        }
        false => "The bucket you tried to delete is not empty",
    };
    client(409, "BucketNotEmpty", message).field("BucketName", name)
}

pub fn operation_aborted() -> AwsError {
    client(
        409,
        "OperationAborted",
        "A conflicting conditional operation is currently in progress against this resource. Please \
         try again.",
    )
}

pub fn illegal_location(constraint: Option<&str>) -> AwsError {
    let message = match constraint {
        Some(constraint) => format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint \
             this request was sent to."
        ),
        None => "The unspecified location constraint is incompatible for the region specific \
                 endpoint this request was sent to."
            .to_owned(),
    };
    client(400, "IllegalLocationConstraintException", message)
}

pub fn invalid_location(constraint: &str) -> AwsError {
    client(
        400,
        "InvalidLocationConstraint",
        "The specified location-constraint is not valid",
    )
    .field("LocationConstraint", constraint)
}

pub fn key_too_long(bytes: usize) -> AwsError {
    client(400, "KeyTooLongError", "Your key is too long")
        .field("Size", bytes.to_string())
        .field("MaxSizeAllowed", "1024")
}

pub fn invalid_uri() -> AwsError {
    client(400, "InvalidURI", "Couldn't parse the specified URI.")
}

pub fn invalid_argument(name: &str, value: &str, message: impl Into<String>) -> AwsError {
    client(400, "InvalidArgument", message)
        .field("ArgumentName", name)
        .field("ArgumentValue", value)
}

/// A configuration of notifications that cannot be.
pub fn invalid_configuration(message: &str) -> AwsError {
    client(400, "InvalidArgument", message)
}

pub fn invalid_request(message: impl Into<String>) -> AwsError {
    client(400, "InvalidRequest", message)
}

pub fn invalid_digest(given: &str) -> AwsError {
    client(
        400,
        "InvalidDigest",
        "The Content-MD5 you specified was invalid.",
    )
    .field("Content-MD5", given)
}

pub fn bad_digest(given: &str, calculated: &str) -> AwsError {
    client(
        400,
        "BadDigest",
        "The Content-MD5 you specified did not match what we received.",
    )
    .field("ExpectedDigest", given)
    .field("CalculatedDigest", calculated)
}

pub fn bad_checksum(algorithm: &str) -> AwsError {
    client(
        400,
        "BadDigest",
        format!("The {algorithm} you specified did not match the calculated checksum."),
    )
}

pub fn invalid_checksum(header: &str) -> AwsError {
    invalid_request(format!("Value for {header} header is invalid."))
}

pub fn sha256_mismatch(given: &str, computed: &str) -> AwsError {
    signature(&SigV4Error::ContentSha256Mismatch)
        .field("ClientComputedContentSHA256", given)
        .field("S3ComputedContentSHA256", computed)
}

pub fn missing_content_length() -> AwsError {
    client(
        411,
        "MissingContentLength",
        "You must provide the Content-Length HTTP header.",
    )
}

pub fn entity_too_large(bytes: u64, max: u64) -> AwsError {
    client(
        400,
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
    )
    .field("ProposedSize", bytes.to_string())
    .field("MaxSizeAllowed", max.to_string())
}

/// A file of a form that is smaller than its policy wants.
pub fn too_small(bytes: u64, min: u64) -> AwsError {
    client(
        400,
        "EntityTooSmall",
        "Your proposed upload is smaller than the minimum allowed size",
    )
    .field("ProposedSize", bytes.to_string())
    .field("MinSizeAllowed", min.to_string())
}

pub fn entity_too_small(number: i32, bytes: u64, etag: &str) -> AwsError {
    client(
        400,
        "EntityTooSmall",
        "Your proposed upload is smaller than the minimum allowed size",
    )
    .field("ProposedSize", bytes.to_string())
    .field("MinSizeAllowed", "5242880")
    .field("PartNumber", number.to_string())
    .field("ETag", etag)
}

pub fn invalid_part(id: &str, number: i32, etag: &str) -> AwsError {
    client(
        400,
        "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been \
         uploaded, or the specified entity tag may not match the part's entity tag.",
    )
    .field("UploadId", id)
    .field("PartNumber", number.to_string())
    .field("ETag", etag)
}

pub fn invalid_part_order(id: &str) -> AwsError {
    client(
        400,
        "InvalidPartOrder",
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    )
    .field("UploadId", id)
}

pub fn invalid_part_number(number: i32) -> AwsError {
    invalid_argument(
        "partNumber",
        &number.to_string(),
        "Part number must be an integer between 1 and 10000, inclusive",
    )
}

pub fn part_not_satisfiable(wanted: i32, parts: usize) -> AwsError {
    client(
        416,
        "InvalidPartNumber",
        "The requested partnumber is not satisfiable",
    )
    .field("PartNumberRequested", wanted.to_string())
    .field("ActualPartCount", parts.to_string())
}

pub fn invalid_range(range: &str, bytes: u64) -> AwsError {
    client(
        416,
        "InvalidRange",
        "The requested range is not satisfiable",
    )
    .field("RangeRequested", range)
    .field("ActualObjectSize", bytes.to_string())
}

pub fn precondition_failed(condition: &str) -> AwsError {
    client(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
    )
    .field("Condition", condition)
}

/// Without a body.
pub fn not_modified(etag: &str) -> AwsError {
    client(304, "NotModified", "Not Modified").field("ETag", etag)
}

pub fn method_not_allowed(method: &str, kind: &str) -> AwsError {
    client(
        405,
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
    )
    .field("Method", method)
    .field("ResourceType", kind)
}

pub fn invalid_tag(message: &str) -> AwsError {
    client(400, "InvalidTag", message)
}

pub fn metadata_too_large(bytes: usize) -> AwsError {
    client(
        400,
        "MetadataTooLarge",
        "Your metadata headers exceed the maximum allowed metadata size",
    )
    .field("Size", bytes.to_string())
    .field("MaxSizeAllowed", "2048")
}

pub fn invalid_storage_class(class: &str) -> AwsError {
    client(
        400,
        "InvalidStorageClass",
        "The storage class you specified is not valid",
    )
    .field("StorageClassRequested", class)
}

pub fn malformed_policy(message: impl Into<String>) -> AwsError {
    client(400, "MalformedPolicy", message)
}

/// A header that asks for what is not there: S3 itself says so of some.
pub fn header_not_built(name: &str) -> AwsError {
    AwsError {
        status: 501,
        ..AwsError::server(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
        )
    }
    .field("Header", name)
}

/// What S3 has and Neargate does not build.
pub fn not_built(what: &str) -> AwsError {
    AwsError {
        status: 501,
        ..AwsError::server(
            "NotImplemented",
            format!("Neargate does not implement {what} yet."),
        )
    }
}

pub fn blob(error: BlobError) -> AwsError {
    match error {
        // AWS's disks do not fill up: its clients wait at this answer, and try again.
        BlobError::NoSpace { .. } => {
            AwsError::server("ServiceUnavailable", "Reduce your request rate.")
                .status(503)
                .caused_by(error)
        }
        error => internal(error),
    }
}

pub fn unreadable(error: io::Error) -> AwsError {
    internal(error)
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> AwsError {
    AwsError::server(
        "InternalError",
        "We encountered an internal error. Please try again.",
    )
    .caused_by(error)
}
