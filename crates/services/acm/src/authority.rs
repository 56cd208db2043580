//! The authority of this installation: it signs the certificates that are requested. It is made when
//! the first one is, and kept in the store.

use crate::model::LocalAuthority;
use crate::pem;
use neargate_base::{Rng, Secret, Timestamp};
use neargate_service::certificate::KeptKey;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, House};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::PrivateKeyDer;
use std::time::Duration;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// As long as AWS's certificates are good
/// (<https://docs.aws.amazon.com/acm/latest/userguide/acm-certificate-characteristics.html>).
const LIFE: Duration = Duration::from_secs(395 * 24 * 60 * 60);
const ID: &str = "local";

/// A certificate just signed, in PEM.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) chain: String,
}

/// A new key, in PEM.
///
/// # Errors
/// There is none of this kind, or there is no randomness.
pub(crate) fn new_key(algorithm: &'static SignatureAlgorithm) -> Result<String, AwsError> {
    let key = KeyPair::generate_for(algorithm).map_err(AwsError::internal)?;
    Ok(pem::encode("PRIVATE KEY", key.serialized_der()))
}

/// The authority's certificate in PEM: whoever trusts it trusts what is issued here. It is made if
/// there is none yet.
///
/// # Errors
/// The store's.
pub async fn certificate(house: &House) -> Result<String, AwsError> {
    Ok(open(house).await?.certificate)
}

/// The authority, if there is one.
pub(crate) async fn kept(house: &House) -> Result<Option<LocalAuthority>, AwsError> {
    let scope = &house.settings.default_scope;
    let found = house.db.get::<LocalAuthority>(scope, ID).await?;
    Ok(found.map(|stored| stored.value))
}

/// The key of the authority's record.
pub(crate) fn record(house: &House) -> String {
    db::key::<LocalAuthority>(&house.settings.default_scope, ID)
}

pub(crate) async fn put_back(house: &House, kept: &LocalAuthority) -> Result<(), AwsError> {
    let key = record(house);
    let put = house.db.tx().within_reserve().create(key, kept);
    let (Committed::At(_) | Committed::Conflict) = put.commit().await?;
    Ok(())
}

/// A certificate with its key and who vouches for it, in PEM, for a part of Neargate itself.
#[derive(Debug)]
pub struct Issued {
    /// The certificate, then the authority's.
    pub chain: String,
    pub private_key: Secret<String>,
}

/// Issues one for these names and addresses.
///
/// # Errors
/// The store's, and those of names that no certificate can have.
pub async fn issue(house: &House, names: &[String]) -> Result<Issued, AwsError> {
    let private_key = new_key(&PKCS_ECDSA_P256_SHA256)?;
    let first = names.first().map_or("Neargate", String::as_str);
    let signed = sign(house, first, names, &private_key).await?;
    Ok(Issued {
        chain: signed.certificate + &signed.chain,
        private_key: Secret::new(private_key),
    })
}

/// Certifies a key of another part of Neargate for a name: its certificate, then the authority's.
///
/// # Errors
/// The store's, and those of keys and names that no certificate can have.
pub(crate) async fn certify(house: &House, name: &str, key: &str) -> Result<String, AwsError> {
    let signed = sign(house, name, &[name.to_owned()], key).await?;
    Ok(signed.certificate + &signed.chain)
}

async fn open(house: &House) -> Result<LocalAuthority, AwsError> {
    loop {
        if let Some(kept) = kept(house).await? {
            return Ok(kept);
        }
        let new = made(house).map_err(AwsError::internal)?;
        // Of two who make it, one finds that it is there.
        put_back(house, &new).await?;
    }
}

fn made(house: &House) -> Result<LocalAuthority, rcgen::Error> {
    let (now, rng) = (house.now(), &house.rng);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Neargate");
    name.push(
        DnType::CommonName,
        format!("Neargate Local CA {}", rng.hex(8)),
    );
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, now, AUTHORITY_LIFE);
    params.serial_number = Some(serial(rng));
    let certificate = params.self_signed(&key)?;
    Ok(LocalAuthority {
        certificate: pem::encode("CERTIFICATE", certificate.der()),
        private_key: KeptKey::seal(
            &house.root_key,
            &record(house),
            &pem::encode("PRIVATE KEY", key.serialized_der()),
        ),
    })
}

/// Signs a certificate for a key of an elliptic curve or of RSA.
///
/// # Errors
/// The store's, and those of names that no certificate can have.
pub(crate) async fn sign(
    house: &House,
    domain: &str,
    names: &[String],
    private_key: &str,
) -> Result<Signed, AwsError> {
    let authority = open(house).await?;
    let certificate = signed(house, &authority, domain, names, private_key);
    Ok(Signed {
        certificate: certificate.map_err(AwsError::internal)?,
        chain: authority.certificate,
    })
}

fn signed(
    house: &House,
    authority: &LocalAuthority,
    domain: &str,
    names: &[String],
    private_key: &str,
) -> Result<String, rcgen::Error> {
    let key = key_pair(private_key)?;
    let certificate = pem::certificates(authority.certificate.as_bytes());
    let certificate = certificate.and_then(|all| all.into_iter().next());
    let certificate = certificate.ok_or(rcgen::Error::CouldNotParseCertificate)?;
    let own = authority.private_key.open(&house.root_key, &record(house));
    let own = own.ok_or(rcgen::Error::CouldNotParseKeyPair)?;
    let issuer = issuer(&certificate, key_pair(own.expose())?)?;
    let mut params = CertificateParams::new(names.to_vec())?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, domain);
    params.distinguished_name = name;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, house.now(), LIFE);
    params.serial_number = Some(serial(&house.rng));
    let signed = params.signed_by(&key, &issuer)?;
    Ok(pem::encode("CERTIFICATE", signed.der()))
}

/// The authority as one that signs: its name is what its certificate says.
fn issuer(certificate: &[u8], key: KeyPair) -> Result<Issuer<'static, KeyPair>, rcgen::Error> {
    let read = crate::x509::read(certificate).ok_or(rcgen::Error::CouldNotParseCertificate)?;
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Neargate");
    name.push(DnType::CommonName, read.common_name.unwrap_or_default());
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(Issuer::new(params, key))
}

fn key_pair(text: &str) -> Result<KeyPair, rcgen::Error> {
    let key = pem::private_key(text.as_bytes()).ok_or(rcgen::Error::CouldNotParseKeyPair)?;
    let PrivateKeyDer::Pkcs8(key) = key else {
        return Err(rcgen::Error::CouldNotParseKeyPair);
    };
    let known = [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_RSA_SHA256,
    ];
    known
        .into_iter()
        .find_map(|algorithm| KeyPair::from_pkcs8_der_and_sign_algo(&key, algorithm).ok())
        .ok_or(rcgen::Error::CouldNotParseKeyPair)
}

/// From yesterday, for clocks that are behind.
fn validity(params: &mut CertificateParams, now: Timestamp, life: Duration) {
    let at = |when: Timestamp| {
        OffsetDateTime::from_unix_timestamp(when.as_millis() / 1_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    params.not_before = at(now - DAY);
    params.not_after = at(now + life);
}

/// Sixteen bytes, positive.
fn serial(rng: &Rng) -> SerialNumber {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}
