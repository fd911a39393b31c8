//! A certificate authority for tests of TLS.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate authority that belongs to one test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate and its private key, as PEM.
pub struct Credentials {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Default for Authority {
    fn default() -> Self {
        let key = KeyPair::generate().expect("a key can be generated");
        let mut params = params("a test's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("the parameters are valid").pem();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }
}

impl Authority {
    /// Creates an authority with a key of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The authority's own certificate, as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Issues a certificate with this common name.
    pub fn issue(&self, name: &str) -> Credentials {
        let key = KeyPair::generate().expect("a key can be generated");
        let certificate = params(name).signed_by(&key, &self.issuer);
        Credentials {
            certificate: certificate.expect("the parameters are valid").pem(),
            key: key.serialize_pem(),
        }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
