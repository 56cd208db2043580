//! Tokens of OpenID Connect: JSON Web Tokens (RFC 7519) that are signed (RFC 7515) with one of the
//! keys (RFC 7517) of who issued them. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A token, read and not yet believed.
#[derive(Debug)]
pub(crate) struct Jwt {
    header: Header,
    pub(crate) claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

/// The keys of an issuer.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Clone, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwt {
    /// `None`: it has not the form of a token.
    pub(crate) fn read(text: &str) -> Option<Jwt> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Jwt {
            header: serde_json::from_slice(&decoded(header)?).ok()?,
            claims: serde_json::from_slice(&decoded(claims)?).ok()?,
            signed: signed.to_owned(),
            signature: decoded(signature)?,
        })
    }

    /// A claim that is text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A claim that is one text or several.
    pub(crate) fn texts(&self, claim: &str) -> Vec<String> {
        match self.claims.get(claim) {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) => many
                .iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A claim that is a time, in seconds.
    pub(crate) fn seconds(&self, claim: &str) -> Option<i64> {
        let value = self.claims.get(claim)?;
        value.as_i64().or_else(|| value.as_f64().map(|f| f as i64))
    }

    /// Did one of these keys sign it? A token that names its key is signed with no other.
    pub(crate) fn is_signed_by(&self, keys: &KeySet) -> bool {
        keys.keys
            .iter()
            .filter(|key| self.header.kid.is_none() || key.kid == self.header.kid)
            .any(|key| self.holds(key).is_some())
    }

    fn holds(&self, key: &Key) -> Option<()> {
        let alg = &*self.header.alg;
        let other_use = key.purpose.as_deref().is_some_and(|of| of != "sig");
        if other_use || key.alg.as_deref().is_some_and(|of| of != alg) {
            return None;
        }
        let (signed, signature) = (self.signed.as_bytes(), &self.signature);
        if let Some(parameters) = rsa(alg) {
            if key.kty != "RSA" {
                return None;
            }
            let key = RsaPublicKeyComponents {
                n: decoded(key.n.as_deref()?)?,
                e: decoded(key.e.as_deref()?)?,
            };
            return key.verify(parameters, signed, signature).ok();
        }
        let (algorithm, curve) = match alg {
            "ES256" => (&signature::ECDSA_P256_SHA256_FIXED, "P-256"),
            "ES384" => (&signature::ECDSA_P384_SHA384_FIXED, "P-384"),
            _ => return None,
        };
        if key.kty != "EC" || key.crv.as_deref() != Some(curve) {
            return None;
        }
        // Uncompressed, as SEC 1 has it.
        let mut point = vec![4];
        point.extend(decoded(key.x.as_deref()?)?);
        point.extend(decoded(key.y.as_deref()?)?);
        let key = UnparsedPublicKey::new(algorithm, point);
        key.verify(signed, signature).ok()
    }
}

/// RFC 7518, 3.3.
fn rsa(alg: &str) -> Option<&'static RsaParameters> {
    match alg {
        "RS256" => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, A.2 and A.3: header, claims and signature as they are printed there.
    const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const RSA_KEY: &str = r#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}"#;
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const EC_KEY: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

    fn keys(text: &str) -> KeySet {
        serde_json::from_str(text).expect("keys")
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (token, own, other) in [(RS256, RSA_KEY, EC_KEY), (ES256, EC_KEY, RSA_KEY)] {
            let jwt = Jwt::read(token).expect("a token");
            assert_eq!(jwt.text("iss"), Some("joe"));
            assert_eq!(jwt.seconds("exp"), Some(1_300_819_380));
            assert!(jwt.is_signed_by(&keys(own)));
            assert!(!jwt.is_signed_by(&keys(other)));
            assert!(!jwt.is_signed_by(&KeySet::default()));
            let changed = token.replace("eyJpc3MiOiJqb2Ui", "eyJpc3MiOiJqb2Yi");
            assert!(
                !Jwt::read(&changed)
                    .expect("a token")
                    .is_signed_by(&keys(own))
            );
        }
    }

    #[test]
    fn what_is_not_signed_is_not_believed() {
        let claims = RS256.split('.').nth(1).expect("claims");
        let none = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        assert!(
            !Jwt::read(&none)
                .expect("a form")
                .is_signed_by(&keys(RSA_KEY))
        );
        // The public key is no secret of an HMAC.
        let hmac = format!(
            "{}.{claims}.AAAA",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#)
        );
        assert!(
            !Jwt::read(&hmac)
                .expect("a form")
                .is_signed_by(&keys(RSA_KEY))
        );
        for bad in ["", "a", "a.b", "a.b.c", "....", "e30.e30"] {
            assert!(Jwt::read(bad).is_none(), "{bad}");
        }
    }
}
