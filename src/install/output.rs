//! What is left of a script when it has ended.

/// How a script ended, as the transport saw it.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// The exit status; a signal is 128 plus its number.
    pub status: u32,
    /// Standard output.
    pub stdout: &'a [u8],
    /// Standard error.
    pub stderr: &'a [u8],
}
