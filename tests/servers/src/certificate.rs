//! A certificate for a server on the loopback.

use std::path::Path;

use crate::folder::{Folder, command};
use crate::{output, program};

/// Who signs it: the file that a client checks it with.
pub(crate) const AUTHORITY: &str = "ca.pem";

/// Puts `server.pem` and `server.key` into a folder, for `localhost` and 127.0.0.1, signed by an
/// authority of their own.
pub(crate) fn issue(folder: &Folder) {
    request(folder.path(), "authority", "ca.key", AUTHORITY, &[]);
    let signed = ["-CA", AUTHORITY, "-CAkey", "ca.key"];
    // An authority's certificate is not taken for a server's.
    let server = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    let options = [signed.as_slice(), &server, &names].concat();
    request(
        folder.path(),
        "localhost",
        "server.key",
        "server.pem",
        &options,
    );
}

fn request(folder: &Path, name: &str, key: &str, certificate: &str, options: &[&str]) {
    let new_key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    output(
        command(program("openssl"))
            .args([
                "req",
                "-x509",
                "-days",
                "30",
                "-subj",
                &format!("/CN={name}"),
            ])
            .args(new_key)
            .args(["-keyout", key, "-out", certificate])
            .args(options)
            .current_dir(folder),
    );
}
