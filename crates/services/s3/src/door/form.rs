//! Objects that a web page's form brings, under a policy that says what it may bring
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>).

use crate::content::source::{File, Source};
use crate::error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use memchr::memmem;
use neargate_base::Timestamp;
use neargate_service::AwsError;
use neargate_service::door::{Signer, Visitor};
use neargate_wire::schema::TimestampFormat;
use neargate_wire::sigv4::{Claim, SigV4Error, SigningKey};
use neargate_wire::timestamp;
use ring::hmac;
use serde_json::Value;

/// All that comes before the file.
const MAX_FIELDS_BYTES: usize = 20 << 10;

/// A form, as far as it is read before its file.
#[derive(Debug)]
pub struct Form {
    fields: Vec<(String, String)>,
    pub file: File,
}

/// What a policy lets the file have.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub min_bytes: u64,
    pub max_bytes: u64,
}

fn malformed() -> AwsError {
    AwsError::client(
        "MalformedPOSTRequest",
        "The body of your POST request is not well-formed multipart/form-data.",
    )
}

fn against_policy(why: &str) -> AwsError {
    error::access_denied_because(format!("Invalid according to Policy: {why}"))
}

/// The boundary of a form; `None`: the request brings none.
pub fn boundary(parts: &Parts) -> Option<String> {
    let kind = parts.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (name, parameters) = kind.split_once(';')?;
    if !name.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut parameters = parameters.split(';').map(str::trim);
    let boundary = parameters.find_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    Some(boundary.trim_matches('"').to_owned())
}

impl Form {
    /// Reads up to the file.
    ///
    /// # Errors
    /// In S3's words.
    pub async fn read(mut source: Source, boundary: &str) -> Result<Form, AwsError> {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // As if a line had ended before.
        let mut buffer = BytesMut::from(&b"\r\n"[..]);
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut taken = 0;
        loop {
            let begin = until(&mut source, &mut buffer, &delimiter, taken).await?;
            taken += begin + delimiter.len();
            let value = buffer.split_to(begin);
            if let Some((_, last)) = fields.last_mut() {
                *last = String::from_utf8(value.to_vec()).map_err(|_| malformed())?;
            }
            let _ = buffer.split_to(delimiter.len());
            let head = until(&mut source, &mut buffer, b"\r\n\r\n", taken).await;
            let head = match head {
                Ok(head) => buffer.split_to(head),
                Err(why) if why.code == "MalformedPOSTRequest" => {
                    return Err(error::invalid_argument(
                        "file",
                        "0",
                        "POST requires exactly one file upload per request.",
                    ));
                }
                Err(why) => return Err(why),
            };
            let _ = buffer.split_to(4);
            let head = std::str::from_utf8(&head).map_err(|_| malformed())?;
            let name = parameter(head, "name").ok_or_else(malformed)?;
            if name.eq_ignore_ascii_case("file") {
                if let Some(file) = parameter(head, "filename") {
                    let bare = file.rsplit(['/', '\\']).next().unwrap_or_default();
                    for (_, value) in fields.iter_mut().filter(|(n, _)| n == "key") {
                        *value = value.replace("${filename}", bare);
                    }
                }
                let file = File::new(source, buffer, delimiter);
                return Ok(Form { fields, file });
            }
            fields.push((name.to_ascii_lowercase(), String::new()));
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Who signed the policy, if anybody did.
    ///
    /// # Errors
    /// In S3's words.
    pub fn signer(&self, visitor: &Visitor, now: Timestamp) -> Result<Option<Signer>, AwsError> {
        let Some(policy) = self.get("policy") else {
            return Ok(None);
        };
        let credential = self.get("x-amz-credential");
        let old = self.get("awsaccesskeyid");
        let scope: Vec<&str> = credential.unwrap_or_default().split('/').collect();
        let (access_key, date, region) = match (&scope[..], old) {
            ([key, date, region, "s3", "aws4_request"], _) => (*key, *date, *region),
            (_, Some(key)) => (key, "", visitor.default_scope.region.as_str()),
            _ => return Err(error::signature(&SigV4Error::MissingToken)),
        };
        let signature = self
            .get("x-amz-signature")
            .or_else(|| self.get("signature"));
        if signature.is_none() {
            let message = "Bucket POST must contain a field named 'X-Amz-Signature'.  If it is \
                           specified, please check the order of the fields.";
            return Err(error::invalid_argument("X-Amz-Signature", "", message));
        }
        let claim = Claim {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: "s3".to_owned(),
            signed_headers: Vec::new(),
            signature: signature.unwrap_or_default().to_owned(),
            presigned: true,
            expires_seconds: None,
            timestamp: self.get("x-amz-date").unwrap_or_default().to_owned(),
            signed_at: now,
            session_token: self.get("x-amz-security-token").map(str::to_owned),
        };
        let signer = visitor.keys.signer(&claim);
        let signer = signer.map_err(|why| error::signature(&why))?;
        if let Some(secret) = &signer.secret {
            let secret = secret.expose();
            let good = match credential.is_some() {
                true => {
                    use subtle::ConstantTimeEq as _;
                    let key = SigningKey::derive(secret, date, region, "s3");
                    let own = key.sign(policy);
                    own.as_bytes().ct_eq(claim.signature.as_bytes()).into()
                }
                false => {
                    let algorithm = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
                    let key = hmac::Key::new(algorithm, secret.as_bytes());
                    let given = STANDARD.decode(&claim.signature).unwrap_or_default();
                    hmac::verify(&key, policy.as_bytes(), &given).is_ok()
                }
            };
            if !good {
                return Err(error::signature(&SigV4Error::Mismatch(String::new())));
            }
        }
        Ok(Some(signer))
    }

    /// Does the policy let this form be? What it lets the file have.
    ///
    /// # Errors
    /// `AccessDenied`, with the condition that does not hold.
    pub fn check(&self, bucket: &str, now: Timestamp) -> Result<Option<Bounds>, AwsError> {
        let Some(policy) = self.get("policy") else {
            return Ok(None);
        };
        let unreadable =
            || AwsError::client("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.");
        let text = STANDARD.decode(policy).map_err(|_| unreadable())?;
        let policy: Value = serde_json::from_slice(&text).map_err(|_| unreadable())?;
        let expires = policy["expiration"].as_str().unwrap_or_default();
        let exact = expires.contains('T') && expires.ends_with('Z');
        let expires = timestamp::parse(expires, TimestampFormat::DateTime);
        let expires = expires.filter(|_| exact).ok_or_else(|| {
            AwsError::client(
                "InvalidPolicyDocument",
                "Invalid Policy: Invalid 'expiration' value.",
            )
        })?;
        if expires <= now {
            return Err(against_policy("Policy expired."));
        }
        let conditions = policy["conditions"].as_array().ok_or_else(|| {
            AwsError::client(
                "InvalidPolicyDocument",
                "Invalid Policy: Invalid Conditions.",
            )
        })?;
        let mut bounds = None;
        let mut meant: Vec<String> = Vec::new();
        for condition in conditions {
            let failed = || against_policy(&format!("Policy Condition failed: {condition}"));
            let (operator, name, wanted) = match condition {
                Value::Object(pairs) => {
                    let one = pairs.iter().next().filter(|_| pairs.len() == 1);
                    let (name, value) = one.ok_or_else(|| {
                        AwsError::client(
                            "InvalidPolicyDocument",
                            "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have \
                             exactly one property specified.",
                        )
                    })?;
                    (
                        "eq",
                        name.to_ascii_lowercase(),
                        value.as_str().unwrap_or_default(),
                    )
                }
                Value::Array(three) if three.len() == 3 => {
                    let operator = three[0].as_str().unwrap_or_default();
                    if operator == "content-length-range" {
                        let number = |v: &Value| {
                            v.as_u64()
                                .or_else(|| v.as_str().and_then(|s| s.parse().ok()))
                        };
                        let (Some(min_bytes), Some(max_bytes)) =
                            (number(&three[1]), number(&three[2]))
                        else {
                            return Err(failed());
                        };
                        bounds = Some(Bounds {
                            min_bytes,
                            max_bytes,
                        });
                        continue;
                    }
                    let name = three[1].as_str().and_then(|n| n.strip_prefix('$'));
                    let name = name.ok_or_else(failed)?.to_ascii_lowercase();
                    (operator, name, three[2].as_str().unwrap_or_default())
                }
                _ => {
                    return Err(AwsError::client(
                        "InvalidPolicyDocument",
                        "Invalid Policy: Invalid Condition.",
                    ));
                }
            };
            let given = match name.as_str() {
                "bucket" => Some(bucket),
                name => self.get(name),
            };
            let given = given.unwrap_or_default();
            let holds = match operator.to_ascii_lowercase().as_str() {
                "eq" => given == wanted,
                "starts-with" => given.starts_with(wanted),
                _ => false,
            };
            if !holds {
                return Err(failed());
            }
            meant.push(name);
        }
        const FREE: [&str; 6] = [
            "policy",
            "x-amz-signature",
            "signature",
            "awsaccesskeyid",
            "bucket",
            "file",
        ];
        let extra = self.fields().map(|(name, _)| name).find(|name| {
            !FREE.contains(name)
                && !name.starts_with("x-ignore-")
                && !meant.iter().any(|m| m == name)
        });
        match extra {
            Some(name) => Err(against_policy(&format!("Extra input fields: {name}"))),
            None => Ok(bounds),
        }
    }
}

/// Reads until `mark` is there; where it begins.
async fn until(
    source: &mut Source,
    buffer: &mut BytesMut,
    mark: &[u8],
    taken: usize,
) -> Result<usize, AwsError> {
    loop {
        if let Some(at) = memmem::find(buffer, mark) {
            return Ok(at);
        }
        if buffer.len() + taken > MAX_FIELDS_BYTES {
            return Err(AwsError::client(
                "MaxPostPreDataLengthExceededError",
                "Your POST request fields preceding the upload file were too large.",
            ));
        }
        match source.next().await? {
            Some(more) => buffer.extend_from_slice(&more),
            None => return Err(malformed()),
        }
    }
}

/// A parameter of a part's `Content-Disposition`.
fn parameter(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| {
        let before = line.split(':').next().unwrap_or_default();
        before.trim().eq_ignore_ascii_case("content-disposition")
    })?;
    line.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"').to_owned())
    })
}
