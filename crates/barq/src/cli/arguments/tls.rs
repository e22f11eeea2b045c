//! How users' requests arrive over TLS, for the node and for the `up` that starts it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use barq_node::tls::{ACME_DIRECTORY_DEFAULT, AcmeSettings, FilePair};
use clap::Args;
use clap::builder::FalseyValueParser;

/// What TLS runs with. Nothing of it counts without an address.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "TLS of users' requests")]
pub struct TlsArguments {
    /// Address of users' requests over TLS, e.g. 0.0.0.0:443 [default: none]
    #[arg(long, value_name = "ADDR")]
    pub ingress_tls: Option<SocketAddr>,
    /// A PEM file with the certificate, and its chain, of hosts that have none of their own
    #[arg(long, value_name = "FILE", requires_all = ["ingress_tls", "tls_key"])]
    pub tls_certificate: Option<PathBuf>,
    /// A PEM file with its private key
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Get certificates by ACME for domains with `tls.acme = true`; the authority writes here when something is wrong
    #[arg(long, value_name = "ADDRESS", env = "BARQ_ACME_EMAIL", value_parser = email, requires = "acme_accept_terms")]
    pub acme_email: Option<String>,
    /// Agree to the terms of service of the authority
    #[arg(long, env = "BARQ_ACME_ACCEPT_TERMS", value_parser = FalseyValueParser::new())]
    pub acme_accept_terms: bool,
    /// The authority's directory
    #[arg(long, value_name = "URL", env = "BARQ_ACME_DIRECTORY", value_parser = directory_url, default_value = ACME_DIRECTORY_DEFAULT)]
    pub acme_directory: String,
    /// A PEM file with one more root certificate to trust the authority by
    #[arg(long, value_name = "FILE", env = "BARQ_ACME_ROOT")]
    pub acme_root: Option<PathBuf>,
}

impl TlsArguments {
    /// The certificate of hosts that have none of their own.
    pub fn default_pair(&self) -> Option<FilePair> {
        let (certificate, key) = self.tls_certificate.clone().zip(self.tls_key.clone())?;
        Some(FilePair { certificate, key })
    }

    /// Where certificates are got, if they are.
    pub fn acme(&self) -> Option<AcmeSettings> {
        let email = self.acme_email.clone().filter(|_| self.acme_accept_terms)?;
        Some(AcmeSettings {
            directory_url: self.acme_directory.clone(),
            email,
            root: self.acme_root.clone(),
        })
    }

    /// The same for a process that is started with this address in place of the one that was asked for.
    pub fn words(&self, bound: Option<SocketAddr>) -> Vec<OsString> {
        let Some(address) = bound else {
            return Vec::new();
        };
        let mut words: Vec<OsString> = vec!["--ingress-tls".into(), address.to_string().into()];
        let mut add = |flag: &str, value: OsString| words.extend([flag.into(), value]);
        if let Some(pair) = self.default_pair() {
            add("--tls-certificate", pair.certificate.into());
            add("--tls-key", pair.key.into());
        }
        if let Some(acme) = self.acme() {
            add("--acme-directory", acme.directory_url.into());
            add("--acme-email", acme.email.into());
            if let Some(root) = acme.root {
                add("--acme-root", root.into());
            }
            words.push("--acme-accept-terms".into());
        }
        words
    }
}

fn email(text: &str) -> Result<String, String> {
    let is_address = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    let is_plain = !text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
    match is_address && is_plain {
        true => Ok(text.to_owned()),
        false => Err("this is no e-mail address, like ops@example.com".to_owned()),
    }
}

fn directory_url(text: &str) -> Result<String, String> {
    match text
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty())
    {
        true => Ok(text.to_owned()),
        false => Err("the directory of an authority begins with https://".to_owned()),
    }
}
