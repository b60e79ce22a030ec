//! An nginx that may not open, start or keep what a reload takes: its master is told to reload, and that is no success.

use std::fs;

use certwave::install::{Activation, Rollback};

use crate::nginx::Site;
use crate::support::{Shell, in_every_shell, read, version, words};

/// Bounds the open files of a master that runs.
fn may_open(master: u32, files: usize) {
    words("prlimit", &["--pid", &master.to_string(), &format!("--nofile={files}:1024")]);
}

fn open_files(master: u32) -> usize {
    fs::read_dir(format!("/proc/{master}/fd")).unwrap().count()
}

/// What nginx said since: more of it than it takes to be noticed.
fn said_since(site: &Site, size: usize) -> String {
    read(&site.error_log())[size..].to_owned()
}

#[test]
fn a_reload_that_runs_out_of_files_has_failed_whoever_runs_out() {
    let mut seen: Vec<&str> = Vec::new();
    // The configuration itself, a channel to a worker, what each worker opens for itself.
    for more in 0..6 {
        let mut site = Site::new(Shell::Dash);
        let master = site.master.unwrap();
        site.stage_next();
        let size = read(&site.error_log()).len();
        may_open(master, open_files(master) + more);
        let activation = site.activate_next();
        let said = said_since(&site, size);
        let ran_out = said.lines().find(|line| line.contains("Too many open files"));
        match (&activation, ran_out) {
            (Activation::ReloadFailed { output, .. }, Some(_)) => {
                assert!(output.contains("Too many open files"), "{more}: {output}");
                assert!(!output.contains("after 30 s"), "{more}: it was found out by the deadline only");
                let kinds = [
                    "socketpair() failed while spawning",
                    "epoll_create() failed",
                    "cannot load certificate",
                ];
                seen.extend(kinds.iter().filter(|kind| said.contains(*kind)));
            }
            (Activation::Activated, None) => {}
            (ended, _) => panic!("{more}: {ended:?}: {said}"),
        }
        // Where it has not ended for that.
        if std::path::Path::new(&format!("/proc/{master}/fd")).exists() && site.pid_file().exists() {
            may_open(master, 1024);
            if ran_out.is_some() {
                assert_eq!(site.host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{more}");
                assert_eq!(site.served().as_deref(), Some("v1"), "{more}");
            }
        } else {
            site.master = None;
        }
    }
    assert!(seen.len() >= 2, "{seen:?}");
}

/// What workers of before say of their own ends, and what every start says, is not about this reload.
#[test]
fn what_is_alarming_and_no_failure_of_this_reload_is_let_through() {
    in_every_shell(|shell| {
        let site = Site::new(shell);
        let master = site.master.unwrap();
        let old = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        let old = old.split_whitespace().next().unwrap().to_owned();
        // A reload that writes these lines besides.
        let lines = [
            format!("[alert] {old}#{old}: *3 open socket #9 left in connection 3"),
            format!("[alert] {master}#{master}: worker process {old} exited on signal 9"),
            format!("[emerg] {old}#{old}: epoll_create() failed (24: Too many open files)"),
            "[emerg] 4194303#4194303: open() \"/etc/other.conf\" failed (2: No such file or directory)"
                .to_owned(),
            format!("[crit] {master}#{master}: accept4() failed (24: Too many open files)"),
        ];
        let log = site.error_log();
        let text: String = lines.iter().map(|line| format!("2026/11/30 13:00:00 {line}\n")).collect();
        let (site, text) =
            (with_reload(site, &format!("cat '{}.more' >>'{0}'; kill -HUP {master}", log.display())), text);
        fs::write(format!("{}.more", log.display()), text).unwrap();
        site.stage_next();
        assert_eq!(site.activate_next(), Activation::Activated, "{shell:?}");
        assert_eq!(site.served().as_deref(), Some("v2"), "{shell:?}");
    });
}

/// Each of these is logged while the reload looks well.
#[test]
fn a_process_that_could_not_be_started_or_kept_fails_the_reload() {
    in_every_shell(|shell| {
        let site = Site::new(shell);
        let master = site.master.unwrap();
        let log = site.error_log().display().to_string();
        let site = with_reload(site, &format!("cat '{log}.more' >>'{log}'; kill -HUP {master}"));
        site.stage_next();
        for line in [
            format!(
                "{master}#{master}: fork() failed while spawning \"worker process\" (11: Resource temporarily unavailable)"
            ),
            format!("{master}#{master}: worker process 4194303 exited on signal 11"),
            format!(
                "{master}#{master}: worker process 4194303 exited with fatal code 2 and cannot be respawned"
            ),
        ] {
            fs::write(format!("{log}.more"), format!("2026/11/30 13:00:00 [alert] {line}\n")).unwrap();
            let activation = site.activate_next();
            let Activation::ReloadFailed { output, .. } = &activation else {
                panic!("{shell:?}: {activation:?}")
            };
            assert!(output.contains(&line), "{shell:?}: {output}");
            fs::write(format!("{log}.more"), "").unwrap();
            assert_eq!(site.host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}");
        }
    });
}

fn with_reload(mut site: Site, command: &str) -> Site {
    for (name, value) in &mut site.host.services[0].settings {
        if *name == "reload_command" {
            command.clone_into(value);
        }
    }
    site
}
