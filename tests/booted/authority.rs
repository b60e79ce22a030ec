//! A certificate authority with an intermediate, by the `openssl` program: the store takes only chains that are complete.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Authority(PathBuf);

/// A certificate with its chain, and its key.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    /// Its files are in a folder, among them `root.pem`.
    pub(crate) fn new(folder: &Path) -> Authority {
        let authority = Authority(folder.to_owned());
        authority.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -days 90 \
               -subj '/CN=booted root'
             openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout intermediate.key -subj '/CN=booted \
               intermediate' -out intermediate.csr
             printf 'basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign\\n' >ca.ext
             openssl x509 -req -in intermediate.csr -CA root.pem -CAkey root.key -days 90 -extfile ca.ext -out intermediate.pem",
        );
        authority
    }

    /// A new certificate for a name.
    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.run(&format!(
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -subj '/CN={name}' -out leaf.csr
             printf 'subjectAltName=DNS:{name}\\n' >leaf.ext
             openssl x509 -req -in leaf.csr -CA intermediate.pem -CAkey intermediate.key -days 60 -extfile leaf.ext -out leaf.pem"
        ));
        let read = |name: &str| fs::read_to_string(self.0.join(name)).unwrap();
        Issued { chain: read("leaf.pem") + &read("intermediate.pem"), key: read("leaf.key") }
    }

    fn run(&self, script: &str) {
        let output = Command::new("sh").args(["-ec", script]).current_dir(&self.0).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
