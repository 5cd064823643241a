//! Certificates in files.

use std::time::{Duration, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

struct Files {
    dir: tempfile::TempDir,
    files: TlsFiles,
}

fn files() -> Files {
    let dir = tempfile::tempdir().expect("a directory");
    let files =
        TlsFiles { certificate: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    Files { dir, files }
}

/// A certificate until a year, and its key, in PEM.
fn pair(until: i32) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["h.example".to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

impl Files {
    fn write(&self, certificate: &str, key: &str) {
        std::fs::write(&self.files.certificate, certificate).expect("written");
        std::fs::write(&self.files.key, key).expect("written");
    }

    /// What is said of the files; `DIR/` is left out.
    fn complaint(&self) -> String {
        let error = Certificate::read(&self.files).err().expect("it is bad");
        format!("{error:#}").replace(&format!("{}/", self.dir.path().display()), "")
    }
}

#[test]
fn errors_name_the_file() {
    let (certificate, key) = pair(2100);
    let (_, other_key) = pair(2100);
    let files = files();
    assert_eq!(files.complaint(), "cannot read cert.pem: No such file or directory (os error 2)");
    let check = |certificate: &str, key: &str, want: &str| {
        files.write(certificate, key);
        let got = files.complaint();
        assert!(got.starts_with(want), "{got}\nis not {want}");
    };
    check("garbage", &key, "cert.pem: no certificate in PEM in it");
    check(&key, &key, "cert.pem: no certificate in PEM in it");
    check(&certificate, "", "key.pem: no private key in PEM in it");
    check(&certificate, &certificate, "key.pem: no private key in PEM in it");
    check(&certificate.replace("MII", "!!!"), &key, "cert.pem: not a certificate in PEM");
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(not_der, &key, "cert.pem: not a certificate");
    check(&certificate, &other_key, "key.pem: the key is not that of the certificate in cert.pem");
    files.write(&certificate, &key);
    assert!(Certificate::read(&files.files).is_ok());
}

#[test]
fn time_is_told() {
    let files = files();
    let (certificate, key) = pair(2024);
    files.write(&certificate, &key);
    let read = Certificate::read(&files.files).expect("it can be read");
    let at = |year: i32| UnixMicros::from_seconds(date_time_ymd(year, 6, 1).unix_timestamp());
    assert_eq!(read.complaint(at(2023)), None);
    assert!(read.complaint(at(2024)).is_some_and(|text| text.contains("ended at 2024-01-01")));
    assert!(read.complaint(at(2019)).is_some_and(|text| text.contains("begins only at 2020")));
}

#[test]
fn a_renewed_certificate_is_noticed_and_a_bad_one_is_not_taken() {
    let files = files();
    let (certificate, key) = pair(2090);
    files.write(&certificate, &key);
    let (mut renewal, _) = Renewal::begin(files.files.clone()).expect("it is good");
    assert!(renewal.look(false).is_none(), "nothing changed");
    let first = renewal.until();

    // The times of files are coarse: the test says them.
    let mut day = 0;
    let mut touch = || {
        day += 1;
        for path in [&files.files.certificate, &files.files.key] {
            let file = std::fs::File::options().append(true).open(path).expect("it is there");
            let at = UNIX_EPOCH + Duration::from_secs(day * 86_400);
            file.set_modified(at).expect("set");
        }
    };
    let (certificate, new_key) = pair(2091);
    files.write(&certificate, &key);
    touch();
    assert!(renewal.look(false).is_none(), "the key does not fit");
    assert_eq!(renewal.until(), first);
    files.write(&certificate, &new_key);
    touch();
    assert!(renewal.look(false).is_some(), "both fit");
    assert!(renewal.until() > first);
    assert!(renewal.look(false).is_none(), "nothing changed");
    assert!(renewal.look(true).is_some(), "it is wished");
    std::fs::remove_file(&files.files.key).expect("removed");
    assert!(renewal.look(false).is_none());
    assert!(renewal.until() > first, "the old one stays");
}

#[test]
fn roots_of_a_file() {
    let files = files();
    let (certificate, key) = pair(2100);
    files.write(&certificate, &key);
    assert!(TrunkRoots::new(Some(files.files.certificate.clone())).config().is_ok());
    let wrong = TrunkRoots::new(Some(files.files.key.clone())).config();
    let text = format!("{:#}", wrong.expect_err("a key is no authority"));
    assert!(text.contains("key.pem: no certificate in PEM in it"), "{text}");
}
