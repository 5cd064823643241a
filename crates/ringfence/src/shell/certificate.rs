//! Certificates. Lives here: reading ours, noticing that it was renewed, whom we believe about trunks.
//! Never here: connections.
//!
//! Only TLS 1.2 and 1.3 are spoken, by rustls with ring: one provider, which needs no more than a C compiler.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, bail};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use types::{Trunk, UnixMicros};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::clock::system_wall;
use crate::config::TlsFiles;

/// What new connections are shown.
#[derive(Clone)]
pub struct Certificate {
    /// For rustls.
    pub config: Arc<ServerConfig>,
    /// From when it is good.
    pub from: UnixMicros,
    /// Until when it is good.
    pub until: UnixMicros,
}

impl Certificate {
    /// Reads a certificate, what it is signed by, and its key. Errors name the file and what is wrong.
    pub fn read(files: &TlsFiles) -> anyhow::Result<Certificate> {
        let chain = chain(&files.certificate)?;
        let first = chain.first().expect("a chain that was read is not empty");
        let (from, until) = good(first)
            .with_context(|| format!("{}: not a certificate", files.certificate.display()))?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| pem_error(&files.key, "private key", &error))?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .context("the cryptographic provider has neither TLS 1.2 nor 1.3")?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => anyhow::anyhow!(
                    "{}: the key is not that of the certificate in {}",
                    files.key.display(),
                    files.certificate.display()
                ),
                other => anyhow::anyhow!("{}: {other}", files.key.display()),
            })?;
        // Phones that come back after a moment need no whole handshake.
        config.session_storage = rustls::server::ServerSessionMemoryCache::new(4_096);
        Ok(Certificate { config: Arc::new(config), from, until })
    }

    /// What is wrong with its time, if anything.
    pub fn complaint(&self, now: UnixMicros) -> Option<String> {
        match () {
            () if self.until.0 <= now.0 => Some(format!("it ended at {}", self.until)),
            () if self.from.0 > now.0 => Some(format!("it begins only at {}", self.from)),
            () => None,
        }
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(|found| found.collect());
    let chain: Vec<_> = read.map_err(|error| pem_error(path, "certificate", &error))?;
    if chain.is_empty() {
        return Err(pem_error(path, "certificate", &pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn pem_error(path: &Path, what: &str, error: &pem::Error) -> anyhow::Error {
    let path = path.display();
    match error {
        pem::Error::NoItemsFound => anyhow::anyhow!("{path}: no {what} in PEM in it"),
        pem::Error::Io(error) => anyhow::anyhow!("cannot read {path}: {error}"),
        _ => anyhow::anyhow!("{path}: not a {what} in PEM: {error}"),
    }
}

/// The time of a certificate.
fn good(certificate: &CertificateDer<'_>) -> anyhow::Result<(UnixMicros, UnixMicros)> {
    let (_, read) = X509Certificate::from_der(certificate)?;
    let time = |at: x509_parser::time::ASN1Time| UnixMicros::from_seconds(at.timestamp());
    Ok((time(read.validity().not_before), time(read.validity().not_after)))
}

/// Looks now and then whether the certificate was renewed.
pub struct Renewal {
    files: TlsFiles,
    /// Until when the one in use is good.
    until: UnixMicros,
    seen: [Option<(SystemTime, u64)>; 2],
}

impl Renewal {
    /// Reads the certificate for the first time.
    pub fn begin(files: TlsFiles) -> anyhow::Result<(Renewal, Arc<ServerConfig>)> {
        let seen = stamps(&files);
        let certificate = Certificate::read(&files)?;
        warn_of_time(&files, &certificate);
        Ok((Renewal { files, until: certificate.until, seen }, certificate.config))
    }

    /// Until when the certificate in use is good.
    pub fn until(&self) -> UnixMicros {
        self.until
    }

    /// Reads the files again if they changed, or if that is wished. Bad ones are logged once, and what
    /// was read before stays.
    pub fn look(&mut self, is_wished: bool) -> Option<Arc<ServerConfig>> {
        let seen = stamps(&self.files);
        if seen == self.seen && !is_wished {
            return None;
        }
        self.seen = seen;
        match Certificate::read(&self.files) {
            Ok(certificate) => {
                warn_of_time(&self.files, &certificate);
                self.until = certificate.until;
                tracing::info!(
                    certificate = %self.files.certificate.display(),
                    until = %certificate.until,
                    "new connections are shown the certificate that is there now"
                );
                Some(certificate.config)
            }
            Err(error) => {
                tracing::error!(
                    error = %format!("{error:#}"),
                    "the certificate cannot be read again: the old one stays"
                );
                None
            }
        }
    }
}

fn warn_of_time(files: &TlsFiles, certificate: &Certificate) {
    if let Some(complaint) = certificate.complaint(system_wall()) {
        let file = files.certificate.display();
        tracing::warn!(certificate = %file, "phones will not trust the certificate: {complaint}");
    }
}

fn stamps(files: &TlsFiles) -> [Option<(SystemTime, u64)>; 2] {
    [&files.certificate, &files.key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

/// Whom we believe that somebody is a trunk: the system's authorities, or those of one file.
pub struct TrunkRoots {
    file: Option<PathBuf>,
    config: Option<Arc<ClientConfig>>,
}

impl TrunkRoots {
    /// Nothing is read before it is needed.
    pub fn new(file: Option<PathBuf>) -> TrunkRoots {
        TrunkRoots { file, config: None }
    }

    /// For rustls.
    pub fn config(&mut self) -> anyhow::Result<Arc<ClientConfig>> {
        if let Some(config) = &self.config {
            return Ok(config.clone());
        }
        let mut roots = RootCertStore::empty();
        let (certificates, place) = match &self.file {
            Some(file) => (chain(file)?, file.display().to_string()),
            None => (rustls_native_certs::load_native_certs().certs, "the system".to_owned()),
        };
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            bail!("{place} names no authority that could vouch for a trunk: set tls.trunk_ca");
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .context("the cryptographic provider has neither TLS 1.2 nor 1.3")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(self.config.insert(Arc::new(config)).clone())
    }
}

/// The name that a trunk's certificate has to be for: its host, or its address.
pub fn trunk_name(trunk: &Trunk) -> String {
    match trunk.host.as_str() {
        "" => trunk.address.ip().to_string(),
        host => host.trim_matches(['[', ']']).to_owned(),
    }
}

#[cfg(test)]
mod tests;
