//! The settings of a bucket: each is put whole, got as it was put, and taken away.

use super::named::setting;
use crate::access::{self, Block};
use crate::model::Bucket;
use crate::{S3, bucket, error};
use neargate_api_s3 as api;
use neargate_policy::{Document, Use};
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// The longest bucket policy.
const MAX_POLICY_BYTES: usize = 20 << 10;

/// Changes a bucket that is there and that the caller may change.
pub async fn change(
    cx: &Ctx,
    name: &str,
    owner: Option<&str>,
    action: &str,
    change: impl Fn(&mut Bucket) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let open = bucket::open(cx, name, owner, action, None).await?;
    let uid = open.uid.clone();
    let done = cx.db().modify::<Bucket, _>(&open.bucket.key, |bucket| {
        if bucket.uid != uid {
            return Err(error::no_such_bucket(name));
        }
        change(bucket)?;
        Ok(true)
    });
    done.await?.ok_or_else(|| error::no_such_bucket(name))?;
    Ok(())
}

pub async fn put_bucket_versioning(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketVersioningInput,
) -> Result<Unit, AwsError> {
    let wanted = input.versioning_configuration;
    if wanted.mfa_delete.as_deref() == Some("Enabled") {
        return Err(error::not_built("MFA delete"));
    }
    let Some(status) = wanted.status else {
        return Err(error::malformed_xml());
    };
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutBucketVersioning";
    change(&cx, &input.bucket, owner, action, |bucket| {
        if status == "Suspended" && bucket.has_object_lock() {
            return Err(AwsError::client(
                "InvalidBucketState",
                "An Object Lock configuration is present on this bucket, so the versioning state \
                 cannot be changed.",
            )
            .status(409));
        }
        bucket.versioning = Some(status.clone());
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn get_bucket_versioning(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketVersioningInput,
) -> Result<api::GetBucketVersioningOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:GetBucketVersioning";
    let bucket = bucket::open(&cx, &input.bucket, owner, action, None).await?;
    Ok(api::GetBucketVersioningOutput {
        status: bucket.versioning.clone(),
        mfa_delete: None,
    })
}

pub async fn put_bucket_policy(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketPolicyInput,
) -> Result<Unit, AwsError> {
    let text = &input.policy;
    if text.len() > MAX_POLICY_BYTES {
        return Err(error::malformed_policy(
            "Policies must be no larger than 20 KB",
        ));
    }
    if !text.trim_start().starts_with('{') {
        return Err(error::malformed_policy(
            "Policies must be valid JSON and the first byte must be '{'",
        ));
    }
    let parsed = Document::parse_as(Use::Resource, text);
    parsed.map_err(|why| error::malformed_policy(why.to_string()))?;
    within(text, &input.bucket)?;
    let owner = input.expected_bucket_owner.as_deref();
    change(&cx, &input.bucket, owner, "s3:PutBucketPolicy", |bucket| {
        if access::blocks(bucket, Block::BlockPublicPolicy) && access::is_public(text) {
            return Err(error::access_denied_because(format!(
                "User: {} is not authorized to perform: s3:PutBucketPolicy on resource: \"{}\" \
                 because public policies are prevented by the BlockPublicPolicy setting in S3 \
                 Block Public Access.",
                cx.principal.arn,
                bucket.arn()
            )));
        }
        bucket.policy = Some(text.clone());
        Ok(())
    })
    .await?;
    Ok(Unit)
}

/// Does a policy speak of this bucket only?
fn within(text: &str, bucket: &str) -> Result<(), AwsError> {
    let document: serde_json::Value = serde_json::from_str(text)
        .map_err(|_| error::malformed_policy("This policy contains invalid Json"))?;
    let statements = match &document["Statement"] {
        serde_json::Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let resources = statements.iter().flat_map(|s| match &s["Resource"] {
        serde_json::Value::Array(all) => all.clone(),
        serde_json::Value::Null => Vec::new(),
        one => vec![one.clone()],
    });
    for resource in resources {
        let resource = resource.as_str().unwrap_or_default().to_owned();
        let name = resource.split(":::").nth(1).unwrap_or_default();
        let name = name.split('/').next().unwrap_or_default();
        if name != bucket && !name.contains(['*', '?', '$']) {
            return Err(error::malformed_policy("Policy has invalid resource"));
        }
    }
    Ok(())
}

pub async fn get_bucket_policy(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketPolicyInput,
) -> Result<api::GetBucketPolicyOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket::open(&cx, &input.bucket, owner, "s3:GetBucketPolicy", None).await?;
    let policy = bucket.policy.clone().ok_or_else(|| no_policy(&bucket))?;
    Ok(api::GetBucketPolicyOutput {
        policy: Some(policy),
    })
}

fn no_policy(bucket: &Bucket) -> AwsError {
    error::unset(
        "NoSuchBucketPolicy",
        "The bucket policy does not exist",
        &bucket.name,
    )
}

pub async fn get_bucket_policy_status(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketPolicyStatusInput,
) -> Result<api::GetBucketPolicyStatusOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:GetBucketPolicyStatus";
    let bucket = bucket::open(&cx, &input.bucket, owner, action, None).await?;
    let policy = bucket.policy.as_deref().ok_or_else(|| no_policy(&bucket))?;
    let is_public =
        access::is_public(policy) && !access::blocks(&bucket, Block::RestrictPublicBuckets);
    Ok(api::GetBucketPolicyStatusOutput {
        policy_status: Some(api::PolicyStatus {
            is_public: Some(is_public),
        }),
    })
}

pub async fn delete_bucket_policy(
    _: Arc<S3>,
    cx: Ctx,
    input: api::DeleteBucketPolicyInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    change(
        &cx,
        &input.bucket,
        owner,
        "s3:DeleteBucketPolicy",
        |bucket| {
            bucket.policy = None;
            Ok(())
        },
    )
    .await?;
    Ok(Unit)
}

pub async fn put_public_access_block(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutPublicAccessBlockInput,
) -> Result<Unit, AwsError> {
    let given = input.public_access_block_configuration;
    let whole = api::PublicAccessBlockConfiguration {
        block_public_acls: Some(given.block_public_acls.unwrap_or(false)),
        ignore_public_acls: Some(given.ignore_public_acls.unwrap_or(false)),
        block_public_policy: Some(given.block_public_policy.unwrap_or(false)),
        restrict_public_buckets: Some(given.restrict_public_buckets.unwrap_or(false)),
    };
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutBucketPublicAccessBlock";
    change(&cx, &input.bucket, owner, action, |bucket| {
        bucket.public_access_block = Some(Json(whole.clone()));
        Ok(())
    })
    .await?;
    Ok(Unit)
}

setting! {
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput,
    delete_public_access_block(DeletePublicAccessBlockInput),
    "s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock",
    public_access_block => public_access_block_configuration,
    "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"
}

pub async fn put_bucket_ownership_controls(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketOwnershipControlsInput,
) -> Result<Unit, AwsError> {
    let [rule] = &input.ownership_controls.rules[..] else {
        return Err(error::malformed_xml());
    };
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutBucketOwnershipControls";
    change(&cx, &input.bucket, owner, action, |bucket| {
        let enforced = rule.object_ownership == access::BUCKET_OWNER_ENFORCED;
        if enforced && !bucket.acl.0.is_empty() {
            return Err(AwsError::client(
                "InvalidBucketAclWithObjectOwnership",
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
            ));
        }
        bucket.ownership = Some(rule.object_ownership.clone());
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn get_bucket_ownership_controls(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketOwnershipControlsInput,
) -> Result<api::GetBucketOwnershipControlsOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:GetBucketOwnershipControls";
    let bucket = bucket::open(&cx, &input.bucket, owner, action, None).await?;
    let object_ownership = bucket.ownership.clone().ok_or_else(|| {
        error::unset(
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
            &input.bucket,
        )
    })?;
    Ok(api::GetBucketOwnershipControlsOutput {
        ownership_controls: Some(api::OwnershipControls {
            rules: vec![api::OwnershipControlsRule { object_ownership }],
        }),
    })
}

pub async fn delete_bucket_ownership_controls(
    _: Arc<S3>,
    cx: Ctx,
    input: api::DeleteBucketOwnershipControlsInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutBucketOwnershipControls";
    change(&cx, &input.bucket, owner, action, |bucket| {
        bucket.ownership = None;
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn put_bucket_cors(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketCorsInput,
) -> Result<Unit, AwsError> {
    let wanted = input.cors_configuration;
    if wanted.cors_rules.is_empty() || wanted.cors_rules.len() > 100 {
        return Err(error::malformed_xml());
    }
    for rule in &wanted.cors_rules {
        for method in &rule.allowed_methods {
            if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method.as_str()) {
                return Err(error::invalid_request(format!(
                    "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
                )));
            }
        }
        let patterns = rule.allowed_origins.iter().map(|o| ("AllowedOrigin", o));
        let headers = rule.allowed_headers.iter().flatten();
        let patterns = patterns.chain(headers.map(|h| ("AllowedHeader", h)));
        for (name, pattern) in patterns {
            if pattern.matches('*').count() > 1 {
                return Err(error::invalid_request(format!(
                    "{name} \"{pattern}\" can not have more than one wildcard."
                )));
            }
        }
    }
    let owner = input.expected_bucket_owner.as_deref();
    change(&cx, &input.bucket, owner, "s3:PutBucketCORS", |bucket| {
        bucket.cors = Some(Json(wanted.clone()));
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn get_bucket_cors(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketCorsInput,
) -> Result<api::GetBucketCorsOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket::open(&cx, &input.bucket, owner, "s3:GetBucketCORS", None).await?;
    let cors = bucket.cors.clone().ok_or_else(|| {
        error::unset(
            "NoSuchCORSConfiguration",
            "The CORS configuration does not exist",
            &input.bucket,
        )
    })?;
    Ok(api::GetBucketCorsOutput {
        cors_rules: Some(cors.0.cors_rules),
    })
}

pub async fn delete_bucket_cors(
    _: Arc<S3>,
    cx: Ctx,
    input: api::DeleteBucketCorsInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    change(&cx, &input.bucket, owner, "s3:PutBucketCORS", |bucket| {
        bucket.cors = None;
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn put_bucket_website(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketWebsiteInput,
) -> Result<Unit, AwsError> {
    let wanted = input.website_configuration;
    let all = wanted.redirect_all_requests_to.is_some();
    let index = wanted.index_document.is_some();
    if all && (index || wanted.error_document.is_some() || wanted.routing_rules.is_some()) {
        return Err(error::invalid_request(
            "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
        ));
    }
    if !all && !index {
        let message =
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
        return Err(error::invalid_argument("IndexDocument", "null", message));
    }
    if let Some(document) = &wanted.index_document
        && (document.suffix.is_empty() || document.suffix.contains('/'))
    {
        let message = "The IndexDocument Suffix is not well formed";
        return Err(error::invalid_argument(
            "IndexDocument",
            &document.suffix,
            message,
        ));
    }
    let owner = input.expected_bucket_owner.as_deref();
    change(&cx, &input.bucket, owner, "s3:PutBucketWebsite", |bucket| {
        bucket.website = Some(Json(wanted.clone()));
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn get_bucket_website(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketWebsiteInput,
) -> Result<api::GetBucketWebsiteOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket::open(&cx, &input.bucket, owner, "s3:GetBucketWebsite", None).await?;
    let website = bucket.website.clone().ok_or_else(|| {
        error::unset(
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
            &input.bucket,
        )
    })?;
    let website = website.0;
    Ok(api::GetBucketWebsiteOutput {
        redirect_all_requests_to: website.redirect_all_requests_to,
        index_document: website.index_document,
        error_document: website.error_document,
        routing_rules: website.routing_rules,
    })
}

pub async fn delete_bucket_website(
    _: Arc<S3>,
    cx: Ctx,
    input: api::DeleteBucketWebsiteInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    change(
        &cx,
        &input.bucket,
        owner,
        "s3:DeleteBucketWebsite",
        |bucket| {
            bucket.website = None;
            Ok(())
        },
    )
    .await?;
    Ok(Unit)
}

pub async fn put_bucket_encryption(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketEncryptionInput,
) -> Result<Unit, AwsError> {
    let wanted = input.server_side_encryption_configuration;
    let [rule] = &wanted.rules[..] else {
        return Err(error::malformed_xml());
    };
    if let Some(default) = &rule.apply_server_side_encryption_by_default {
        match default.sse_algorithm.as_str() {
            "AES256" if default.kms_master_key_id.is_some() => {
                let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
                return Err(error::invalid_argument("KMSMasterKeyID", "", message));
            }
            "AES256" | "aws:kms" | "aws:kms:dsse" => {}
            "aws:fsx" => return Err(error::not_built("server-side encryption by aws:fsx")),
            _ => return Err(error::malformed_xml()),
        }
    }
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutEncryptionConfiguration";
    change(&cx, &input.bucket, owner, action, |bucket| {
        bucket.encryption = Some(Json(wanted.clone()));
        Ok(())
    })
    .await?;
    Ok(Unit)
}

/// Every bucket encrypts: by SSE-S3 where nothing else is set.
pub async fn get_bucket_encryption(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketEncryptionInput,
) -> Result<api::GetBucketEncryptionOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:GetEncryptionConfiguration";
    let bucket = bucket::open(&cx, &input.bucket, owner, action, None).await?;
    let rule = api::ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(api::ServerSideEncryptionByDefault {
            sse_algorithm: "AES256".into(),
            kms_master_key_id: None,
        }),
        bucket_key_enabled: Some(false),
        blocked_encryption_types: None,
    };
    let set = bucket.encryption.clone().map(|e| e.0);
    let standard = || api::ServerSideEncryptionConfiguration { rules: vec![rule] };
    Ok(api::GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(set.unwrap_or_else(standard)),
    })
}

pub async fn delete_bucket_encryption(
    _: Arc<S3>,
    cx: Ctx,
    input: api::DeleteBucketEncryptionInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutEncryptionConfiguration";
    change(&cx, &input.bucket, owner, action, |bucket| {
        bucket.encryption = None;
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn get_bucket_logging(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketLoggingInput,
) -> Result<api::GetBucketLoggingOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    bucket::open(&cx, &input.bucket, owner, "s3:GetBucketLogging", None).await?;
    Ok(api::GetBucketLoggingOutput::default())
}

pub async fn get_bucket_accelerate_configuration(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketAccelerateConfigurationInput,
) -> Result<api::GetBucketAccelerateConfigurationOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:GetAccelerateConfiguration";
    bucket::open(&cx, &input.bucket, owner, action, None).await?;
    Ok(api::GetBucketAccelerateConfigurationOutput::default())
}

pub async fn get_bucket_request_payment(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketRequestPaymentInput,
) -> Result<api::GetBucketRequestPaymentOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:GetBucketRequestPayment";
    bucket::open(&cx, &input.bucket, owner, action, None).await?;
    Ok(api::GetBucketRequestPaymentOutput {
        payer: Some("BucketOwner".into()),
    })
}

pub async fn put_bucket_request_payment(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketRequestPaymentInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutBucketRequestPayment";
    bucket::open(&cx, &input.bucket, owner, action, None).await?;
    match input.request_payment_configuration.payer.as_str() {
        "BucketOwner" => Ok(Unit),
        _ => Err(error::not_built("buckets whose requesters pay")),
    }
}
