//! The payload of the `stage` step: a tar archive, written here so that keys never pass through a file.

use openssl::sha::sha256;

use crate::install::layout::{link_draft, link_target};
use crate::install::{FileName, FilePart};
use crate::model::{CertificateName, Secret, Version};

/// What the `stage` script reads on its standard input.
#[derive(Debug, Clone)]
pub struct StagePayload {
    /// A POSIX ustar archive (IEEE Std 1003.1, pax, "ustar Interchange Format").
    pub bytes: Secret,
    /// The folder in it that has the files.
    pub folder: String,
    /// Its files besides those that every version has, with a space between two.
    pub formats: String,
}

impl StagePayload {
    /// The files of a version and, last, a manifest of their SHA-256 digests in the form that `sha256sum -c` reads. A version
    /// without a fitting manifest is not complete. They are in a folder beside which the version will be, as seen from the
    /// layout's own; and with them comes the link that is to be renamed to `live`: so a host needs no process to make either.
    /// Names that are too long for that are in a plain folder, and without the link.
    ///
    /// Files with a key are for their owner alone, the others 0644; the host widens that where it has to. The manifest
    /// travels with the files and not on the command line, and is 0600 on the host: a digest does not give a key away, but
    /// nobody has to rely on that.
    pub fn new(name: &CertificateName, version: &Version, files: &[(FileName, Secret)]) -> Self {
        let manifest: String = files
            .iter()
            .map(|(file, bytes)| format!("{}  {file}\n", hex::encode(sha256(bytes.expose()))))
            .collect();
        let manifest = Secret::new(manifest.into_bytes());
        let target = link_target(name, version);
        let beside = format!("archive/{name}/.{version}.partial.new");
        // Then the folder fits as well, and the link's own name.
        let fits = target.len() <= NAME;
        let folder = if fits { beside } else { "new".to_owned() };
        let link =
            fits.then(|| TarEntry { folder: "live", name: link_draft(name, version), is: Is::Link(&target) });
        let file = |name: String, bytes, mode| TarEntry { folder: &folder, name, is: Is::File(bytes, mode) };
        let entries: Vec<TarEntry<'_>> = (link.into_iter())
            .chain(files.iter().map(|(name, bytes)| {
                file(name.to_string(), bytes, if name.is_secret() { 0o600 } else { 0o644 })
            }))
            .chain([file(".manifest".to_owned(), &manifest, 0o600)])
            .collect();
        let beyond = |file: &FileName| matches!(file.part, FilePart::KeyFirst | FilePart::Keystore);
        let formats: Vec<String> =
            files.iter().filter(|(file, _)| beyond(file)).map(|(file, _)| file.to_string()).collect();
        Self { bytes: tar(&entries), folder, formats: formats.join(" ") }
    }
}

/// Tar works in blocks of this many bytes.
const BLOCK: usize = 512;
/// As long may a name be, and what a link says; the folder that the name is in, half as long again.
const NAME: usize = 100;

struct TarEntry<'a> {
    folder: &'a str,
    name: String,
    is: Is<'a>,
}

enum Is<'a> {
    /// A plain file with its mode.
    File(&'a Secret, u16),
    /// A symbolic link, and what it says.
    Link(&'a str),
}

impl TarEntry<'_> {
    fn bytes(&self) -> &[u8] {
        match self.is {
            Is::File(bytes, _) => bytes.expose(),
            Is::Link(_) => &[],
        }
    }

    /// Time and owner are zero: the host's own are used.
    fn header(&self) -> [u8; BLOCK] {
        let mut header = [0; BLOCK];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        let (mode, kind, target) = match self.is {
            Is::File(_, mode) => (mode, "0", ""),
            Is::Link(target) => (0o777, "2", target),
        };
        put(0, &self.name);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", self.bytes().len()));
        put(136, "00000000000");
        // The checksum is computed as if its own field were spaces.
        put(148, "        ");
        put(156, kind);
        put(157, target);
        put(257, "ustar");
        put(263, "00");
        put(345, self.folder);
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    }
}

fn tar(entries: &[TarEntry<'_>]) -> Secret {
    let content: usize =
        entries.iter().map(|entry| BLOCK + entry.bytes().len().next_multiple_of(BLOCK)).sum();
    let size = content + 2 * BLOCK;
    // All at once: a growing vector would leave copies of keys behind in freed memory.
    let mut archive = Vec::with_capacity(size);
    for entry in entries {
        archive.extend_from_slice(&entry.header());
        archive.extend_from_slice(entry.bytes());
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(size, 0);
    Secret::new(archive)
}

#[cfg(test)]
mod tests;
