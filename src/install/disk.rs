//! What a look at a host's disk found: no more than it takes to compare.

use crate::install::answer::Answer;
use crate::install::facts::{link, live};
use crate::install::{
    Armed, Fired, InstallError, InstallSpec, LinkState, Live, OldProcesses, Output, Reads, ScriptService,
};

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
    /// What stands at each copy's path, likewise.
    pub copies: Vec<LinkState>,
    /// The certificates (PEM, leaf first, never a key) that are active: as in [`crate::install::Facts::active`].
    pub active: Vec<String>,
    /// For each service that was asked: what its configuration names, where it tells without a test.
    pub reads: Vec<Reads>,
    /// Processes of its servers that still serve what they read before a reload.
    pub old: Vec<OldProcesses>,
}

impl OnDisk {
    /// Reads the answer of [`InstallSpec::status`].
    ///
    /// # Errors
    /// When the script did not come to its end, or spoke out of protocol.
    pub fn parse(
        output: &Output<'_>,
        spec: &InstallSpec,
        services: &[ScriptService],
    ) -> Result<Self, InstallError> {
        let answer = Answer::read(output)?;
        let active = answer.blocks("active").filter(|text| !text.is_empty()).map(str::to_owned).collect();
        let mut disk = Self {
            live: Live::Missing,
            damaged: false,
            armed: None,
            fired: None,
            links: Vec::new(),
            copies: Vec::new(),
            active,
            reads: vec![Reads::default(); services.len()],
            old: Vec::new(),
        };
        for (key, value) in answer.statements() {
            let unexpected = || InstallError::Unexpected { statement: format!("{key} {value}") };
            match key {
                "live" => disk.live = live(value, spec),
                "live-occupied" => disk.live = Live::Foreign,
                "damaged" => disk.damaged = true,
                "armed" => disk.armed = Some(Armed::parse(value).ok_or_else(unexpected)?),
                "fired" => disk.fired = Some(Fired::parse(value).ok_or_else(unexpected)?),
                "copy" => disk.copies.push(link(value).ok_or_else(unexpected)?),
                "link" => disk.links.push(link(value).ok_or_else(unexpected)?),
                "old" => disk.old.push(OldProcesses::parse(value).ok_or_else(unexpected)?),
                "variable" | "reads" => {
                    Reads::take_in(&mut disk.reads, (key, value), &answer).ok_or_else(unexpected)?;
                }
                _ => return Err(unexpected()),
            }
        }
        if (disk.links.len(), disk.copies.len()) != (spec.links.len(), spec.copies.len()) {
            return Answer::unexpected("an answer for every link and copy was expected");
        }
        Ok(disk)
    }
}

/// Reads the answer of [`InstallSpec::show_certificates`]: the leaves of a version (PEM), none where it has none.
///
/// # Errors
/// When the script did not come to its end.
pub fn shown_leaves(output: &Output<'_>) -> Result<Vec<String>, InstallError> {
    let answer = Answer::read(output)?;
    Ok(answer.blocks("active").filter(|text| !text.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::{FilePart, Layout};
    use crate::model::Version;

    const VERSION: &str = "20261123T200100Z-3f9a1c2e";
    const OLDER: &str = "20251123T200100Z-ffffffff";

    fn read(said: &str) -> Result<OnDisk, InstallError> {
        let spec = InstallSpec {
            layout: Layout::new("/etc/certwave".parse().unwrap(), "a.test".parse().unwrap()),
            keep: 3,
            owner: None,
            group: None,
            key_mode: None,
            boot_unit: true,
            links: vec![("/etc/ssl/a.crt".parse().unwrap(), FilePart::Fullchain.into())],
            copies: Vec::new(),
        };
        let said = format!("\n{said}certwave:result looked\n");
        OnDisk::parse(&Output { status: 0, stdout: said.as_bytes(), stderr: b"" }, &spec, &[])
    }

    #[test]
    fn what_lies_on_a_disk_is_told_statement_by_statement() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        let disk = |said: &str| read(&format!("{said}certwave:link ours\n")).unwrap();
        let nothing = disk("");
        assert_eq!((&nothing.live, nothing.damaged), (&Live::Missing, false));
        assert_eq!((&nothing.armed, &nothing.fired), (&None, &None));
        assert_eq!(
            disk(&format!("certwave:live ../archive/a.test/{VERSION}\n")).live,
            Live::Version(version(VERSION))
        );
        assert_eq!(disk(&format!("certwave:live ../archive/b.test/{VERSION}\n")).live, Live::Foreign);
        assert_eq!(disk("certwave:live-occupied\n").live, Live::Foreign);
        assert!(disk("certwave:damaged\n").damaged);
        let armed = disk(&format!("certwave:armed {VERSION} {OLDER} boot\n")).armed.unwrap();
        assert_eq!((armed.target, armed.previous), (version(VERSION), version(OLDER)));
        let fired = disk(&format!("certwave:fired 12 {VERSION} {OLDER} rolled-back\n")).fired.unwrap();
        assert_eq!((fired.target, fired.previous, fired.problem), (version(VERSION), version(OLDER), None));
        let active = "certwave:begin active\n|one\ncertwave:end active\ncertwave:begin active\ncertwave:end active\n\
                      certwave:begin active\n|two\ncertwave:end active\n";
        assert_eq!(disk(active).active, ["one", "two"]);
        let old = disk("certwave:old 2 3\n").old;
        assert_eq!(old, [OldProcesses { service: 1, count: 3 }]);
    }

    #[test]
    fn an_answer_that_is_not_whole_is_none() {
        for said in ["", "certwave:link ours\ncertwave:link ours\n", "certwave:link ours\ncertwave:ready 1\n"]
        {
            let error = read(said).unwrap_err();
            assert!(matches!(error, InstallError::Unexpected { .. }), "{said}: {error:?}");
        }
    }
}
