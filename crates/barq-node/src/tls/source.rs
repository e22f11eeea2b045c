//! One host's source of certificates: files of the operator's, or an authority. Either says what is to be served, and what
//! is wrong.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::acme::{Acme, HostTask, News};
use super::files::{FilePair, Watched};
use super::table::{Crypto, Served};
use super::words::{Source, Words};
use crate::api::CertificateSource;

/// Why a node gets no certificates by itself.
const NO_ACME: &str = "it asks for a certificate of an authority, and this node has none to ask: start it with --acme-email and --acme-accept-terms";

/// Where a host's certificate comes from.
pub(super) enum HostSource {
    Files(Box<Watched>),
    Acme(AcmeHost),
}

/// A host that has its certificate from an authority.
#[derive(Default)]
pub(super) struct AcmeHost {
    served: Option<Arc<Served>>,
    next_at: Option<Timestamp>,
    problem: Option<String>,
    task: Option<HostTask>,
}

impl HostSource {
    /// The source as it is wanted; one that is there already goes on, and what was served is served until it has better.
    pub(super) fn new(host: &str, wanted: &CertificateSource, before: Option<Self>) -> Self {
        match (wanted, before) {
            (CertificateSource::Acme, Some(Self::Acme(before))) => Self::Acme(before),
            (CertificateSource::Acme, before) => Self::Acme(AcmeHost {
                served: before.and_then(|before| before.served().cloned()),
                ..AcmeHost::default()
            }),
            (CertificateSource::Files { certificate, key }, before) => {
                let paths = FilePair {
                    certificate: PathBuf::from(certificate),
                    key: PathBuf::from(key),
                };
                match before {
                    Some(Self::Files(before)) if *before.paths() == paths => Self::Files(before),
                    before => {
                        let served = before.and_then(|before| before.served().cloned());
                        let files = Watched::new(paths, Some(host.to_owned()), served);
                        Self::Files(Box::new(files))
                    }
                }
            }
        }
    }

    /// Looks at what there is; whether something else is to be served now. Blocks.
    pub(super) fn look(
        &mut self,
        host: &str,
        crypto: &Crypto,
        acme: Option<&Arc<Acme>>,
        now: Timestamp,
    ) -> bool {
        match self {
            Self::Files(files) => files.look(crypto, now),
            Self::Acme(there) => there.look(host, acme),
        }
    }

    /// Takes over what became of an order; whether something else is to be served now.
    pub(super) fn hear(&mut self, news: News) -> bool {
        let Self::Acme(host) = self else {
            return false;
        };
        host.next_at = Some(news.next_at);
        host.problem = news.problem;
        let is_new = news.served.is_some();
        host.served = news.served.or(host.served.take());
        is_new
    }

    /// What is to be served.
    pub(super) fn served(&self) -> Option<&Arc<Served>> {
        match self {
            Self::Files(files) => files.served(),
            Self::Acme(host) => host.served.as_ref(),
        }
    }

    /// When the node renews it, or tries again.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        match self {
            Self::Files(_) => None,
            Self::Acme(host) => host.next_at,
        }
    }

    /// What is to be said of it.
    pub(super) fn words<'a>(&'a self, host: &'a str) -> Words<'a> {
        Words {
            host,
            pair: self.served().map(|served| &served.pair),
            source: match self {
                Self::Files(files) => Source::Files {
                    certificate: files.paths().certificate.display().to_string(),
                    problem: files.problem(),
                },
                Self::Acme(host) => Source::Acme {
                    problem: host.problem.as_deref(),
                },
            },
        }
    }
}

impl AcmeHost {
    /// The task begins at the first look.
    fn look(&mut self, host: &str, acme: Option<&Arc<Acme>>) -> bool {
        if self.task.is_some() {
            return false;
        }
        let Some(acme) = acme else {
            self.problem = Some(NO_ACME.to_owned());
            return false;
        };
        let (stored, task) = acme.begin(host);
        self.task = Some(task);
        let is_new = stored.is_some();
        self.served = stored.or(self.served.take());
        is_new
    }
}
