//! `certwave demo`

use crate::cli::args::{BreakWord, DemoArgs};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::runtime;
use crate::cli::settings::Settings;
use crate::cli::signal::cancel_on_signal;
use crate::lab::{Break, Lab, LabOptions};

/// A real soak takes minutes; nobody should wait for that in a demo.
const SOAK: &str = "5s";

pub(super) fn run(args: &DemoArgs, settings: &Settings) -> Result<Exit, Failure> {
    let say = |text: &str| settings.printer().aside(text);
    // A Ctrl-C must not leave servers behind.
    let runtime = runtime()?;
    let cancel = {
        let _inside = runtime.enter();
        cancel_on_signal()?
    };
    say(&format!(
        "starting {} hosts with sshd, and nginx, HAProxy or Envoy, and an ACME server, as processes of this user …",
        args.hosts + 2
    ));
    let options = LabOptions {
        hosts: usize::from(args.hosts),
        haproxy: 1,
        envoy: 1,
        directory: None,
        soak: SOAK.to_owned(),
    };
    let mut lab = Lab::start(&options).map_err(|error| Failure::to("start the demo's fleet", &error))?;
    if *cancel.borrow() {
        return Err(Failure {
            exit: Exit::Interrupted,
            ..Failure::new("interrupted; every server has ended again")
        });
    }
    say(&format!("they run in {}; every host serves an old certificate", lab.directory().display()));
    if let Some(what) = args.break_ {
        let (what, words) = match what {
            BreakWord::Config => (Break::Config, "its nginx.conf has an error now"),
            BreakWord::Key => (Break::Key, "its nginx.conf names another key now"),
            BreakWord::Chain => (Break::Chain, "its nginx.conf names the leaf without its chain now"),
            BreakWord::Unreachable => (Break::Unreachable, "its sshd is down now"),
            BreakWord::Haproxy => (Break::Haproxy, "its haproxy.cfg has an error now"),
            BreakWord::Envoy => (Break::Envoy, "its secret no longer watches the folder of the certificate"),
            BreakWord::Mismatch => (Break::Mismatch, "its nginx.conf names another site's certificate now"),
        };
        lab.break_canary(what).map_err(|error| Failure::to("break the canary", &error))?;
        let host = match what {
            Break::Haproxy => "lb01".to_owned(),
            Break::Envoy => "edge01".to_owned(),
            _ => format!("the canary, {},", lab.hosts[0].name),
        };
        say(&format!("{host} is broken on purpose: {words}"));
    }
    say(&format!(
        "rolling out; the canary soaks for {SOAK} only, so that you need not wait (minutes are usual)\n"
    ));

    let (inventory, playbook, state) = (lab.inventory(), lab.playbook(), lab.directory().join("state"));
    // Its keys are sealed with a key of its own, and go with it.
    let (inventories, state_folder) = (vec![inventory.clone()], state.clone());
    let own = Settings { inventory: inventories, state: state_folder, seal_key: None, ..settings.clone() };
    let result = crate::cli::commands::rollout::run_unasked(&playbook, &own).map_err(|failure| {
        // The fleet is about to go: what the failure says to do next could not be done.
        let keep = "`certwave demo --keep` leaves the fleet up to look at, to mend, and to roll out again";
        if args.keep { failure } else { failure.hint(keep) }
    });

    if args.keep {
        let handle = lab.detach().map_err(|error| Failure::to("keep the fleet", &error))?;
        let directory = handle.directory().display().to_string();
        say(&format!(
            "\nthe fleet stays: use it with `-i {} --state sqlite:{}` and the playbook {}; `certwave lab down --directory {directory}` ends it",
            inventory.display(),
            state.display(),
            playbook.display(),
        ));
    }
    result
}
