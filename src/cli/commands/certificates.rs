//! `certwave certificates`

use jiff::Timestamp;

use crate::cli::args::CertificatesArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::operations::stored;
use crate::report::view::StoredVersionList;

pub(super) fn run(args: &CertificatesArgs, settings: &Settings) -> Result<Exit, Failure> {
    let store = settings.store()?;
    let versions = stored::versions(&store.certificates(), &store.journal()?, args.name.as_ref())?;
    let list = StoredVersionList { versions, now: Timestamp::now() };
    let printer = settings.printer();
    printer.show(&list);
    if list.versions.is_empty() {
        printer.aside("no certificate was issued yet");
    }
    Ok(Exit::Done)
}
