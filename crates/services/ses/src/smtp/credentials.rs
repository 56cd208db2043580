//! SES's SMTP credentials: the password that belongs to a secret access key in a region
//! (<https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html>, version 4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

const DATE: &str = "11111111";
const SERVICE: &str = "ses";
const TERMINAL: &str = "aws4_request";
const MESSAGE: &str = "SendRawEmail";
const VERSION: u8 = 4;

/// The password of whoever has this secret key.
pub fn password(secret: &str, region: &str) -> String {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [DATE, region, SERVICE, TERMINAL, MESSAGE] {
        let signing = hmac::Key::new(hmac::HMAC_SHA256, &key);
        key = hmac::sign(&signing, part.as_bytes()).as_ref().to_vec();
    }
    key.insert(0, VERSION);
    STANDARD.encode(key)
}

/// Are they the same, in a time that does not tell where they differ?
pub(super) fn is_same(given: &str, password: &str) -> bool {
    // Of both a digest of the same length is compared under a key that is used once.
    let key = hmac::Key::new(hmac::HMAC_SHA256, password.as_bytes());
    let wanted = hmac::sign(&key, password.as_bytes());
    hmac::verify(&key, given.as_bytes(), wanted.as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_aws_own() {
        // By the Python script of AWS's page.
        let made = password("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1");
        assert_eq!(made, "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9");
        assert!(is_same(&made, &made) && !is_same("x", &made) && !is_same("", &made));
    }
}
