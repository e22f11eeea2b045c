//! A certificate chain and its private key, as one thing: they are read, judged and put in force together or not at all.
//!
//! What can't be used is refused with the reason in words, since the reader of those words can't see the files through our
//! eyes. It never repeats what it read: a path in `barq.toml` may name any file of the machine. It must not know where the
//! bytes came from.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A chain whose first certificate belongs to the key.
#[derive(Clone)]
pub(super) struct Pair {
    certified: Arc<CertifiedKey>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why a chain and a key are no pair. Each says which of both is wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum PairError {
    /// No `CERTIFICATE` in it.
    #[error("the certificate file has no PEM certificate in it")]
    NoCertificate,
    /// A key where the chain should be.
    #[error(
        "the certificate file holds a private key and no certificate: the two files may be swapped"
    )]
    KeyInCertificate,
    /// Not PEM, or its content no certificate.
    #[error("the certificate can't be read as PEM with an X.509 certificate")]
    BadCertificate,
    /// No `PRIVATE KEY` in it.
    #[error("the key file has no PEM private key in it")]
    NoKey,
    /// A key that asks for a passphrase.
    #[error(
        "the key is encrypted, and nobody is there to type its passphrase: store it without one, readable by barq alone"
    )]
    EncryptedKey,
    /// Not a key that TLS can use.
    #[error(
        "the key is of a kind that can't be used: take ECDSA P-256 or P-384, Ed25519 or RSA from 2048 bits"
    )]
    BadKey,
    /// The key belongs to another certificate of the file.
    #[error(
        "the key belongs to another certificate of the chain: the server's own certificate must come first in the file"
    )]
    WrongOrder,
    /// They don't belong together.
    #[error("certificate and key do not belong together")]
    Mismatch,
}

impl Pair {
    /// Reads a chain (the server's own certificate first) and a key from PEM.
    ///
    /// # Errors
    /// When one of them can't be used, or they do not belong together.
    pub(super) fn from_pem(
        certificate: &[u8],
        key: &[u8],
        provider: &CryptoProvider,
    ) -> Result<Self, PairError> {
        let chain = chain(certificate)?;
        let key = private_key(key)?;
        let (not_before, not_after) = validity(&chain[0])?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|_| PairError::BadKey)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(TlsError::InconsistentKeys(_)) => return Err(mismatch(&certified)),
            Err(_) => return Err(PairError::BadCertificate),
        }
        Ok(Self {
            certified: Arc::new(certified),
            not_before,
            not_after,
        })
    }

    /// Whether the certificate is for this host, by its subject alternative names.
    pub(super) fn covers(&self, host: &str) -> bool {
        let parsed = ParsedCertificate::try_from(&self.certified.cert[0]);
        match (parsed, ServerName::try_from(host)) {
            (Ok(parsed), Ok(name)) => verify_server_name(&parsed, &name).is_ok(),
            _ => false,
        }
    }

    /// Whether both are the same certificate.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.certified.cert[0] == other.certified.cert[0]
    }

    /// What rustls signs with.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// From when on it is valid.
    pub(super) fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when it is valid.
    pub(super) fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pair")
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| PairError::BadCertificate)?;
    if !chain.is_empty() {
        return Ok(chain);
    }
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(_) => Err(PairError::KeyInCertificate),
        Err(_) => Err(PairError::NoCertificate),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, PairError> {
    /// The two ways of PEM to say so (RFC 7468 section 11, RFC 1421).
    const ENCRYPTED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];
    let text = String::from_utf8_lossy(pem);
    if ENCRYPTED.iter().any(|mark| text.contains(mark)) {
        return Err(PairError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| PairError::NoKey)
}

fn validity(certificate: &CertificateDer<'_>) -> Result<(Timestamp, Timestamp), PairError> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| PairError::BadCertificate)?;
    let validity = certificate.validity();
    let moment = |seconds| Timestamp::from_second(seconds).map_err(|_| PairError::BadCertificate);
    Ok((
        moment(validity.not_before.timestamp())?,
        moment(validity.not_after.timestamp())?,
    ))
}

fn mismatch(certified: &CertifiedKey) -> PairError {
    let belongs = |certificate: &CertificateDer<'static>| {
        let alone = CertifiedKey::new(vec![certificate.clone()], Arc::clone(&certified.key));
        alone.keys_match().is_ok()
    };
    match certified.cert.iter().skip(1).any(belongs) {
        true => PairError::WrongOrder,
        false => PairError::Mismatch,
    }
}

#[cfg(test)]
mod tests;
