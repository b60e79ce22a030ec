//! What a look at a host's disk found: no more than it takes to compare.

use crate::install::answer::Answer;
use crate::install::facts::{link, live};
use crate::install::{Armed, Fired, InstallError, InstallSpec, LinkState, Live, Output};

/// What lies on a host's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDisk {
    /// The live link.
    pub live: Live,
    /// The live version's files are not what was installed.
    pub damaged: bool,
    /// A dead-man switch that waits for a confirmation.
    pub armed: Option<Armed>,
    /// What a dead-man switch did since the last commit.
    pub fired: Option<Fired>,
    /// What stands at each link's path, in the order of the settings.
    pub links: Vec<LinkState>,
    /// The certificates (PEM, leaf first, never a key) that are active: as in [`crate::install::Facts::active`].
    pub active: Vec<String>,
}

impl OnDisk {
    /// Reads the answer of [`InstallSpec::status`].
    ///
    /// # Errors
    /// When the script did not come to its end, or spoke out of protocol.
    pub fn parse(output: &Output<'_>, spec: &InstallSpec) -> Result<Self, InstallError> {
        let answer = Answer::read(output)?;
        let active = answer.blocks("active").filter(|text| !text.is_empty()).map(str::to_owned).collect();
        let mut disk =
            Self { live: Live::Missing, damaged: false, armed: None, fired: None, links: Vec::new(), active };
        for (key, value) in answer.statements() {
            let unexpected = || InstallError::Unexpected { statement: format!("{key} {value}") };
            match key {
                "live" => disk.live = live(value, spec),
                "live-occupied" => disk.live = Live::Foreign,
                "damaged" => disk.damaged = true,
                "armed" => disk.armed = Some(Armed::parse(value).ok_or_else(unexpected)?),
                "fired" => disk.fired = Some(Fired::parse(value).ok_or_else(unexpected)?),
                "link" => disk.links.push(link(value).ok_or_else(unexpected)?),
                _ => return Err(unexpected()),
            }
        }
        if disk.links.len() != spec.links.len() {
            return Answer::unexpected("an answer for every link was expected");
        }
        Ok(disk)
    }
}
