//! Requests that need a token of somebody whose keys are told.

use super::lab::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use neargate_base::time::{Clock as _, SystemClock};
use neargate_domain::load_balancer::{Action, JwtClaim};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};

/// Made for these tests: nothing else is signed by it.
const KEY: &str = "\
    MIIEogIBAAKCAQEArjT0CrsM2rQ0iVxd5fqbVpXOKAjy5d5038oA7uVMOli//pNv5/lnTQVvxhYNqcSdphuWx574JGX2eSht \
    UHVIYIH7ZazrzrRtfwHgmeYfePpmcmnWMLNC664htnG4humyLlOaXnXSmQF6ya0S3MnCZZrkmxzUY0OtyaHcBtrkVDygGtrt \
    rs1sbpVvxjE8C2EOegrURqN7QwlQ+N7Qmv+yRFDzTqebM1/nyb4AlzgrItu6NhMIpuMBqJXhwUWXvcVJke1SeB9DvLQa61Qk \
    K2t+QYvqOVIWLPAW6OBsp5Pz/4Vdpk2ehlt1Ac47T7OJiebMHYd5xX/PBSjghkpV+kwWzwIDAQABAoIBABe0kPjc1zTzjKqc \
    bRKcdYLkw7bi8Nqi2NiTDmlzvlm6NfYYbgPtBkeO09Tqr1VIsgMmgfAMC8w4K7/05lsqenzXczQ0wanRF41O3hdTHzlBKaus \
    Bz99RT/45BGFjAyfxGVVbw4njk7Pyrui14w/0DovR6hr1eLkFMP5SI2OP7/OfqNOeVFDp88JHkMq2Lw2XeLiw0YcV5s0szRe \
    d2emkm2igteZBKubkAwkW0eCbwnnZj5wJV7KCyTcjuNYRKCnEo5OF7+6n6yOYSGpVnwpSoMMTy6wlDXpXpo9ZipEgspALjgo \
    K+BP0ByLSGCZl0kXsJKaNMxQDIfKljPjGlU41IECgYEA2XPUhosW1BeIUkT0+myg4xJTMmsK1V7mUQFwpEYyHKWjs1AQyW+p \
    aDSd+vqyuBeJoPMM9922W23YC4KlbNIDDg7eEfuEdlQXmjiY63kJjtHjTVsrRxHoFBpTGOrT22Zch+bmCClM6kAW4DRyVzWP \
    8GPjyo8u/fS/EClYwqruA6ECgYEAzRaaGyIxT6L7DPZEPUiokgWU5Le5jZ5uBonIbmi5xmoAxU1OEhr47xXGEu9RTbd8lEzj \
    KiKU6VFthlR3Z+xmG+VUi+5icOJSvL/64xwkUBuy4gVBiYIZDC0cCqlTYoXmDSP6rQcBUzqkq6ipSa0vXlQ6PF+SEeMGmy+b \
    rkjKBG8CgYBxQO+eh1CDdCIu3vVMfEkrGr80EiYZTQzdgcd994VgADELUhb8IujzefwR3II6eR/YMN4/Nj0kz0fnbsrjq1ml \
    975XVUz/J/sG+pVChs6gkNY20tXudPgPiEphPuTKbzygF3UVKRWDJ5ACg65Nl3r5M71PIVXTNKZSL4aoFMhUIQKBgHC06xve \
    Pps1RiJpdDb5pyoYRysqjJ53Yp/VOID0rKONvb6wLSdmC0fY/3GIc3XyUFRvrKeLOaq/RSF9aeGC2NqbvUrpRtAikLWKC6aj \
    4JDlp/juSoX3KSy33aE+TMToMPUnwKs2HlRO9hAgMGh89Hsybo6fNvb9fLPsBfJRrjOhAoGAK81QCDAmpFahLav5VH5wTNEi \
    8qlPgawTTR73jAJhWkjcci45xlZRiLVJQUSiUjoBjU4qmQRC6rDP6wvEgcMdFjvctaajjr9Ira8yY+Noe0VxzMR2WL0+cBPk \
    CCuRtdaKIGJku56eleGUeRxF8lfWndX1NRK8mTURZIEUkhPypU8=";

fn key() -> RsaKeyPair {
    let text: String = KEY.split_whitespace().collect();
    RsaKeyPair::from_der(&STANDARD.decode(text).unwrap()).unwrap()
}

fn key_set(id: &str) -> String {
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(key().public());
    let [n, e] = [public.n, public.e].map(|number| URL_SAFE_NO_PAD.encode(number));
    json!({"keys": [
        {"kty": "EC", "kid": "other", "crv": "P-256", "x": "", "y": ""},
        {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": n, "e": e},
    ]})
    .to_string()
}

fn signed(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let key = key();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn now() -> i64 {
    SystemClock.now().as_millis() / 1_000
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer.example", "exp": now() + 600, "nbf": now() - 5, "iat": now() - 5,
        "scope": "read write", "aud": ["shop", "stock"], "tier": "gold",
    })
}

fn claim(name: &str, format: &str, values: &[&str]) -> JwtClaim {
    JwtClaim {
        name: name.into(),
        format: format.into(),
        values: values.iter().map(|value| (*value).into()).collect(),
    }
}

impl Lab {
    fn asks_for_tokens(&mut self, keys: Option<String>) {
        let asked = Action::JwtValidation {
            jwks_endpoint: "https://issuer.example/keys".into(),
            issuer: "https://issuer.example".into(),
            additional_claims: vec![
                claim("scope", "space-separated-values", &["write"]),
                claim("aud", "string-array", &["stock", "shop"]),
                claim("tier", "single-string", &["gold"]),
            ],
            keys,
        };
        self.rules()[0].actions = vec![asked, forward(&[("blue", 1)])];
    }

    async fn status(&self, authorization: &str) -> u16 {
        let request =
            format!("GET / HTTP/1.1\r\nHost: a\r\n{authorization}Connection: close\r\n\r\n");
        self.ask(&request).await.status()
    }

    async fn status_of(&self, token: &str) -> u16 {
        self.status(&format!("Authorization: Bearer {token}\r\n"))
            .await
    }
}

#[tokio::test]
async fn only_who_has_a_token_of_the_issuer_reaches_a_target() {
    let mut lab = Lab::with(Echo("blue")).await;
    lab.asks_for_tokens(Some(key_set("k")));
    lab.start().await;
    let header = json!({"alg": "RS256", "kid": "k"});
    let good = signed(&header, &claims());
    assert_eq!(lab.status_of(&good).await, 200);
    assert_eq!(
        lab.status_of(&signed(&json!({"alg": "RS256"}), &claims()))
            .await,
        200
    );
    for (name, value) in [
        ("iss", json!("https://other.example")),
        ("iss", Value::Null),
        ("exp", json!(now() - 1)),
        ("exp", Value::Null),
        ("exp", json!("soon")),
        ("nbf", json!(now() + 600)),
        ("iat", json!(now() + 600)),
        ("iat", json!("once")),
        ("scope", json!("read")),
        ("scope", json!(["write"])),
        ("aud", json!(["stock"])),
        ("aud", json!("shop stock")),
        ("tier", json!("golden")),
        ("tier", Value::Null),
    ] {
        let mut changed = claims();
        match value {
            Value::Null => drop(changed.as_object_mut().unwrap().remove(name)),
            value => changed[name] = value,
        }
        assert_eq!(
            lab.status_of(&signed(&header, &changed)).await,
            401,
            "{changed}"
        );
    }
    // A token that names another key, or another way to sign, is signed by nobody.
    for header in [
        json!({"alg": "RS256", "kid": "other"}),
        json!({"alg": "HS256", "kid": "k"}),
        json!({"alg": "none"}),
    ] {
        assert_eq!(
            lab.status_of(&signed(&header, &claims())).await,
            401,
            "{header}"
        );
    }
    let (message, _) = good.rsplit_once('.').unwrap();
    for token in [
        "",
        "a.b",
        "....",
        message,
        &format!("{message}."),
        &format!("{good}.x"),
    ] {
        assert_eq!(lab.status_of(token).await, 401, "{token}");
    }
    assert_eq!(lab.status("").await, 401);
    assert_eq!(
        lab.status(&format!("Authorization: Basic {good}\r\n"))
            .await,
        401
    );
    let twice = format!("Authorization: Bearer {good}\r\n").repeat(2);
    assert_eq!(lab.status(&twice).await, 401);
}

#[tokio::test]
async fn keys_hold_until_others_are_told() {
    let token = signed(&json!({"alg": "RS256", "kid": "k"}), &claims());
    let mut lab = Lab::with(Echo("blue")).await;
    lab.asks_for_tokens(None);
    lab.start().await;
    assert_eq!(lab.status_of(&token).await, 500, "nobody knows keys");
    assert_eq!(lab.status("").await, 401);
    for (keys, expected) in [
        (Some(key_set("k")), 200),
        // Whoever tells has just begun.
        (None, 200),
        (Some(key_set("another")), 401),
    ] {
        lab.asks_for_tokens(keys);
        lab.start().await;
        assert_eq!(lab.status_of(&token).await, expected);
    }
}
