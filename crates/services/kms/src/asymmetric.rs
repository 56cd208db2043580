//! Asymmetric keys: made, and used. It knows PKCS #8 and AWS's names of algorithms, but no record
//! and no caller.

use neargate_service::sealing;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::PublicKeyParts as _;
use rsa::{Oaep, Pkcs1v15Sign, PrivateKey, Pss, PublicKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use std::convert::Infallible;
use zeroize::Zeroizing;

/// A new key.
#[derive(Debug)]
pub(crate) struct Pair {
    /// PKCS #8.
    pub(crate) private: Zeroizing<Vec<u8>>,
    /// SubjectPublicKeyInfo.
    pub(crate) public: Vec<u8>,
}

/// The kernel's randomness, as the crates of keys ask for it.
struct Kernel;

impl TryRng for Kernel {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        sealing::fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        sealing::fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        sealing::fill(to);
        Ok(())
    }
}

impl TryCryptoRng for Kernel {}

/// `$body` with the crate of the curve that `$spec` names as `$curve`; `None` for no curve.
macro_rules! on_curve {
    ($spec:expr, $curve:ident => $body:expr) => {
        match $spec {
            "ECC_NIST_P256" => {
                use p256 as $curve;
                $body
            }
            "ECC_NIST_P384" => {
                use p384 as $curve;
                $body
            }
            "ECC_NIST_P521" => {
                use p521 as $curve;
                $body
            }
            "ECC_SECG_P256K1" => {
                use k256 as $curve;
                $body
            }
            _ => None,
        }
    };
}

/// A new key of this spec; `None`: none is made of it. RSA takes its time.
pub(crate) fn generate(spec: &str) -> Option<Pair> {
    if let Some(bits) = spec.strip_prefix("RSA_") {
        let private = PrivateKey::new(&mut Kernel, bits.parse().ok()?).ok()?;
        let public = private.to_public_key().to_public_key_der().ok()?;
        let private = private.to_pkcs8_der().ok()?;
        return Some(pair(private.as_bytes(), public.as_bytes()));
    }
    if spec == ED25519_SPEC {
        let private = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).ok()?;
        let key = Ed25519KeyPair::from_pkcs8(private.as_ref()).ok()?;
        let public = [ED25519_HEAD, key.public_key().as_ref()].concat();
        return Some(pair(private.as_ref(), &public));
    }
    on_curve!(spec, curve => {
        let private = curve::SecretKey::generate_from_rng(&mut Kernel);
        let public = private.public_key().to_public_key_der().ok()?;
        let private = private.to_pkcs8_der().ok()?;
        Some(pair(private.as_bytes(), public.as_bytes()))
    })
}

const ED25519_SPEC: &str = "ECC_NIST_EDWARDS25519";
/// What is before the key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const ED25519_HEAD: &[u8] = &[48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];

fn pair(private: &[u8], public: &[u8]) -> Pair {
    Pair {
        private: Zeroizing::new(private.to_vec()),
        public: public.to_vec(),
    }
}

/// The digest of a message that an algorithm signs.
pub(crate) fn digest(algorithm: &str, message: &[u8]) -> Vec<u8> {
    match algorithm.rsplit('_').next() {
        Some("384") => Sha384::digest(message).to_vec(),
        Some("512") => Sha512::digest(message).to_vec(),
        _ => Sha256::digest(message).to_vec(),
    }
}

/// How many bytes the digest of an algorithm has.
pub(crate) fn digest_bytes(algorithm: &str) -> usize {
    digest(algorithm, b"").len()
}

/// Signs a digest; by Ed25519 a whole message. `None`: the key is none of this spec.
pub(crate) fn sign(spec: &str, private: &[u8], algorithm: &str, of: &[u8]) -> Option<Vec<u8>> {
    if spec.starts_with("RSA_") {
        let key = PrivateKey::from_pkcs8_der(private).ok()?;
        let rng = &mut Kernel;
        let signed = match algorithm {
            "RSASSA_PSS_SHA_256" => key.sign_with_rng(rng, Pss::<Sha256>::new(), of),
            "RSASSA_PSS_SHA_384" => key.sign_with_rng(rng, Pss::<Sha384>::new(), of),
            "RSASSA_PSS_SHA_512" => key.sign_with_rng(rng, Pss::<Sha512>::new(), of),
            _ => key.sign_with_rng(rng, pkcs1(algorithm), of),
        };
        return signed.ok();
    }
    if spec == ED25519_SPEC {
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(private).ok()?;
        return Some(key.sign(of).as_ref().to_vec());
    }
    on_curve!(spec, curve => {
        use curve::ecdsa::signature::hazmat::PrehashSigner as _;
        let key = curve::SecretKey::from_pkcs8_der(private).ok()?;
        let key = curve::ecdsa::SigningKey::from(&key);
        let signature: curve::ecdsa::Signature = key.sign_prehash(of).ok()?;
        Some(signature.to_der().as_bytes().to_vec())
    })
}

fn pkcs1(algorithm: &str) -> Pkcs1v15Sign {
    match algorithm {
        "RSASSA_PKCS1_V1_5_SHA_384" => Pkcs1v15Sign::new::<Sha384>(),
        "RSASSA_PKCS1_V1_5_SHA_512" => Pkcs1v15Sign::new::<Sha512>(),
        _ => Pkcs1v15Sign::new::<Sha256>(),
    }
}

/// Was this signed by the key? `None`: it was not.
pub(crate) fn verify(
    spec: &str,
    public: &[u8],
    algorithm: &str,
    of: &[u8],
    signature: &[u8],
) -> Option<()> {
    if spec.starts_with("RSA_") {
        let key = PublicKey::from_public_key_der(public).ok()?;
        let verified = match algorithm {
            "RSASSA_PSS_SHA_256" => key.verify(Pss::<Sha256>::new(), of, signature),
            "RSASSA_PSS_SHA_384" => key.verify(Pss::<Sha384>::new(), of, signature),
            "RSASSA_PSS_SHA_512" => key.verify(Pss::<Sha512>::new(), of, signature),
            _ => key.verify(pkcs1(algorithm), of, signature),
        };
        return verified.ok();
    }
    if spec == ED25519_SPEC {
        let key = public.strip_prefix(ED25519_HEAD)?;
        return UnparsedPublicKey::new(&ED25519, key)
            .verify(of, signature)
            .ok();
    }
    on_curve!(spec, curve => {
        use curve::ecdsa::signature::hazmat::PrehashVerifier as _;
        let key = curve::PublicKey::from_public_key_der(public).ok()?;
        let key = curve::ecdsa::VerifyingKey::from(&key);
        let signature = curve::ecdsa::Signature::from_der(signature).ok()?;
        key.verify_prehash(of, &signature).ok()
    })
}

/// The longest text that a key of RSA encrypts so, in bytes (RFC 8017, section 7.1.1).
pub(crate) fn longest(public: &[u8], algorithm: &str) -> Option<usize> {
    let hash = if algorithm == "RSAES_OAEP_SHA_1" {
        20
    } else {
        32
    };
    let key = PublicKey::from_public_key_der(public).ok()?;
    key.size().checked_sub(2 * hash + 2)
}

/// Encrypts by RSA. `None`: the text is too long.
pub(crate) fn encrypt(public: &[u8], algorithm: &str, plain: &[u8]) -> Option<Vec<u8>> {
    let key = PublicKey::from_public_key_der(public).ok()?;
    let rng = &mut Kernel;
    match algorithm {
        "RSAES_OAEP_SHA_1" => key.encrypt(rng, Oaep::<Sha1>::new(), plain),
        _ => key.encrypt(rng, Oaep::<Sha256>::new(), plain),
    }
    .ok()
}

/// Decrypts by RSA. `None`: it was not encrypted for this key.
pub(crate) fn decrypt(private: &[u8], algorithm: &str, blob: &[u8]) -> Option<Vec<u8>> {
    let key = PrivateKey::from_pkcs8_der(private).ok()?;
    let rng = &mut Kernel;
    match algorithm {
        "RSAES_OAEP_SHA_1" => key.decrypt_blinded(rng, Oaep::<Sha1>::new(), blob),
        _ => key.decrypt_blinded(rng, Oaep::<Sha256>::new(), blob),
    }
    .ok()
}

/// What two agree on: the key's owner, and who has the private half of `other`. `None`: the two
/// are not on the same curve.
pub(crate) fn agreed(spec: &str, private: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    macro_rules! agreed {
        ($curve:ident) => {{
            let key = $curve::SecretKey::from_pkcs8_der(private).ok()?;
            let other = $curve::PublicKey::from_public_key_der(other).ok()?;
            let secret = $curve::ecdh::diffie_hellman(key.to_nonzero_scalar(), other.as_affine());
            Some(secret.raw_secret_bytes().to_vec())
        }};
    }
    match spec {
        "ECC_NIST_P256" => agreed!(p256),
        "ECC_NIST_P384" => agreed!(p384),
        "ECC_NIST_P521" => agreed!(p521),
        _ => None,
    }
}
