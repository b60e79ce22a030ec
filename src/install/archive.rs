//! The payload of the `stage` step: a tar archive, written here so that keys never pass through a file.

use openssl::sha::sha256;

use super::FileName;
use crate::model::Secret;

/// Tar works in blocks of this many bytes.
const BLOCK: usize = 512;

/// A POSIX ustar archive (IEEE Std 1003.1, pax, "ustar Interchange Format") of plain files, each with its name,
/// bytes and mode. Names are at most 100 bytes. Time and owner are zero: the host's own are used.
pub fn tar_archive(files: &[(&str, Secret, u16)]) -> Secret {
    let size =
        files.iter().map(|(_, bytes, _)| BLOCK + bytes.expose().len().next_multiple_of(BLOCK)).sum::<usize>()
            + 2 * BLOCK;
    // All at once: a growing vector would leave copies of keys behind in freed memory.
    let mut archive = Vec::with_capacity(size);
    for (name, bytes, mode) in files {
        archive.extend_from_slice(&header(name, bytes.expose().len(), *mode));
        archive.extend_from_slice(bytes.expose());
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(size, 0);
    Secret::new(archive)
}

fn header(name: &str, size: usize, mode: u16) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, &name[..name.len().min(100)]);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000000");
    // The checksum is computed as if its own field were spaces.
    put(148, "        0");
    put(257, "ustar");
    put(263, "00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// What the `stage` script reads on its standard input: the files and, last, a manifest of their SHA-256 digests
/// in the form that `sha256sum -c` reads. A version without a fitting manifest is not complete.
///
/// Files have the modes that they are to have on the host: `key_mode` where they hold a key, else 0644. The manifest travels with the files and not on the command line, and is 0600 on the host: a digest does not
/// give a key away, but nobody has to rely on that.
pub fn stage_payload(files: &[(FileName, Secret)], key_mode: u16) -> Secret {
    let manifest: String = files
        .iter()
        .map(|(file, bytes)| format!("{}  {file}\n", hex::encode(sha256(bytes.expose()))))
        .collect();
    let names: Vec<String> = files.iter().map(|(file, _)| file.to_string()).collect();
    let mode = |file: &FileName| if file.is_secret() { key_mode } else { 0o644 };
    let mut entries: Vec<_> = (names.iter().zip(files))
        .map(|(name, (file, bytes))| (name.as_str(), bytes.clone(), mode(file)))
        .collect();
    entries.push((".manifest", Secret::new(manifest.into_bytes()), 0o600));
    tar_archive(&entries)
}
