//! Files of a size that somebody means. One that never ends (`/dev/zero`, a pipe) would take all memory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// So large may a file be that a person writes or names: an inventory of 100,000 hosts, all of `known_hosts`, a bundle of roots.
pub const FILE: u64 = 32 << 20;

/// All of a file.
///
/// # Errors
/// When it cannot be read, or is larger than [`FILE`].
pub fn read(path: &Path) -> Result<Vec<u8>> {
    all(File::open(path)?, FILE)
}

/// The same of a text.
///
/// # Errors
/// As [`read`], and when it is no UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is no text in UTF-8"))
}

fn all(from: impl Read, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is larger than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_an_error_and_all_that_fits_is_read() {
        let endless = read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(endless.to_string(), "it is larger than 32 MiB");
        assert_eq!(all(&[7_u8; 9][..], 9).unwrap(), [7; 9]);
        assert!(all(&[7_u8; 10][..], 9).is_err());
        assert!(read_text(Path::new("/proc/self/exe")).is_err());
    }
}
