//! `AssumeRoleWithWebIdentity`, with tokens of an issuer of our own.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use neargate_service::House;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::000000000000:role/ci";
const PROVIDER: &str = "arn:aws:iam::000000000000:oidc-provider/ci.example.com";

/// Signs tokens.
struct Issuer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Issuer {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Issuer {
            key: key.expect("a key"),
            random,
        }
    }

    fn keys(&self) -> String {
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "x": x, "y": y});
        json!({ "keys": [key] }).to_string()
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": "1", "typ": "JWT"});
        let parts = [header.to_string(), claims.to_string()];
        let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = self
            .key
            .sign(&self.random, signed.as_bytes())
            .expect("signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// A house that knows the issuer, whose keys are in a file.
fn house(issuer: &Issuer) -> (Lab, Arc<House>, Arc<dyn Service>) {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"StringEquals":{{"ci.example.com:aud":"sts.amazonaws.com"}},"StringLike":{{"ci.example.com:sub":"repo:us/*"}}}}}}}}"#
    );
    let mut known = Known::default().role(ACCOUNT, "ci", &trust);
    let provider = OidcProvider {
        arn: PROVIDER.into(),
        client_ids: vec!["sts.amazonaws.com".into()],
    };
    known.providers.insert("ci.example.com".into(), provider);
    let (mut lab, table) = lab(known);
    let file = lab.path().join("keys.json");
    std::fs::write(&file, issuer.keys()).expect("written");
    let keys = ("ci.example.com".to_owned(), file.display().to_string());
    let house = Arc::get_mut(&mut lab.house).expect("nobody else has it");
    house.settings.oidc_keys = BTreeMap::from([keys]);
    let house = lab.house.clone();
    (lab, house, table)
}

fn claims(now: Timestamp) -> Value {
    let now = now.as_millis() / 1_000;
    json!({
        "iss": "https://ci.example.com",
        "sub": "repo:us/app",
        "aud": "sts.amazonaws.com",
        "iat": now,
        "exp": now + 300,
    })
}

async fn assume(
    lab: &Lab,
    table: &dyn Service,
    token: String,
) -> Result<api::AssumeRoleWithWebIdentityOutput, AwsError> {
    let input = api::AssumeRoleWithWebIdentityInput {
        role_arn: ROLE.into(),
        role_session_name: "build-7".into(),
        web_identity_token: token,
        ..Default::default()
    };
    call(table, lab.cx(), ops::AssumeRoleWithWebIdentity, input).await
}

#[tokio::test]
async fn a_token_of_a_known_provider_is_a_role() {
    let issuer = Issuer::new();
    let (lab, house, table) = house(&issuer);
    let given = assume(&lab, &*table, issuer.token(&claims(house.now())))
        .await
        .expect("trusted");
    assert_eq!(
        given.subject_from_web_identity_token.as_deref(),
        Some("repo:us/app")
    );
    assert_eq!(given.provider.as_deref(), Some(PROVIDER));
    assert_eq!(given.audience.as_deref(), Some("sts.amazonaws.com"));
    let cx = by_keys(&lab, &given.credentials.expect("keys"));
    assert_eq!(
        cx.principal.arn,
        "arn:aws:sts::000000000000:assumed-role/ci/build-7"
    );
    let session = cx.principal.session.expect("a session");
    assert_eq!(session.federated_provider.as_deref(), Some(PROVIDER));
}

#[tokio::test]
async fn no_other_token_is() {
    let issuer = Issuer::new();
    let (lab, house, table) = house(&issuer);
    let with = |key: &str, value: Value| {
        let mut claims = claims(house.now());
        claims[key] = value;
        issuer.token(&claims)
    };
    let past = house.now().as_millis() / 1_000 - 1;
    let cases = [
        ("nonsense".to_owned(), "InvalidIdentityToken"),
        (
            with("iss", json!("https://other.example.com")),
            "InvalidIdentityToken",
        ),
        (with("aud", json!("somebody")), "InvalidIdentityToken"),
        (with("exp", json!(past)), "ExpiredTokenException"),
        (with("nbf", json!(past + 100)), "InvalidIdentityToken"),
        (with("sub", json!("repo:them/app")), "AccessDenied"),
        (
            Issuer::new().token(&claims(house.now())),
            "InvalidIdentityToken",
        ),
    ];
    for (token, expected) in cases {
        let refused = assume(&lab, &*table, token).await.expect_err(expected);
        assert_eq!(refused.code, expected, "{}", refused.message);
    }
}
