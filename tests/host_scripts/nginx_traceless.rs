//! Who only looks leaves nothing of what nginx makes when it reads its configuration.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::nginx::{Site, survey};
use crate::support::{Shell, in_every_shell, read};

/// Each kind of file and folder that nginx makes, none of which is there: in the main file, and in files that are included.
fn with_more(site: &Site) {
    let prefix = site.prefix.display().to_string();
    fs::create_dir_all(site.prefix.join("conf.d")).unwrap();
    site.configure(&format!(
        "proxy_cache_path \"{prefix}/cache\" levels=1:2 keys_zone=a:1m;\n\
         include conf.d/*.conf;\n  include 'no such/*.conf';"
    ));
    fs::write(
        site.prefix.join("conf.d/one.conf"),
        format!(
            "access_log \"{prefix}/logs/an access.log\" combined; include conf.d/nested;\n\
             fastcgi_cache_path \"{prefix}/cache/inner\" keys_zone=b:1m; # access_log {prefix}/none;\n"
        ),
    )
    .unwrap();
    fs::write(
        site.prefix.join("conf.d/nested"),
        format!("server {{ listen \"unix:{prefix}/s.sock\"; error_log logs/nested.log; access_log logs/$host.log; }}\n"),
    )
    .unwrap();
}

#[test]
fn a_survey_leaves_no_file_and_no_folder_that_was_not_there() {
    in_every_shell(|shell| {
        for runs in [true, false] {
            let mut site = Site::new(shell);
            if !runs {
                site.stop();
                for temporary in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
                    fs::remove_dir(site.prefix.join(temporary)).unwrap();
                }
                fs::remove_file(site.error_log()).unwrap();
            }
            with_more(&site);
            let before = site.host.tree();
            let facts = survey(&site);
            assert_eq!(facts.reads[0].broken, None, "{shell:?}");
            assert!(!facts.reads[0].files.is_empty(), "{shell:?}");
            assert_eq!(site.host.tree(), before, "{shell:?} {runs}");
            assert_eq!(facts.down.is_empty(), runs, "{shell:?}");
        }
    });
}

/// What nginx itself tells is its configuration's pid file, in a file that is included.
#[test]
fn a_pid_file_that_only_an_included_file_names_is_not_made() {
    let mut site = Site::new(Shell::Dash);
    site.stop();
    let text = read(&site.config());
    let named = "pid logs/nginx.pid;";
    assert!(text.contains(named));
    fs::write(site.prefix.join("pid.conf"), "pid\n  run.pid ;").unwrap();
    fs::write(site.config(), text.replace(named, "include pid.conf;")).unwrap();
    let before = site.host.tree();
    assert_eq!(survey(&site).reads[0].broken, None);
    assert_eq!(site.host.tree(), before);
}

#[test]
fn what_was_there_and_what_somebody_has_opened_stays() {
    let mut site = Site::new(Shell::Dash);
    site.stop();
    with_more(&site);
    // Empty, and there before; and a link to nowhere, which nginx follows.
    let access = site.prefix.join("logs/an access.log");
    fs::write(&access, "").unwrap();
    fs::create_dir(site.prefix.join("cache")).unwrap();
    let nested = site.prefix.join("logs/nested.log");
    symlink(site.prefix.join("elsewhere.log"), &nested).unwrap();
    let before = site.host.tree();
    assert_eq!(survey(&site).reads[0].broken, None);
    assert_eq!(site.host.tree(), before);
    // A server that opens its log in the same moment keeps it.
    let text = fs::read_to_string(site.config()).unwrap();
    let wrapper = site.prefix.join("wrapped");
    let held = site.prefix.join("logs/held.log");
    fs::write(site.config(), text.replace("access_log off;", &format!("access_log \"{}\";", held.display())))
        .unwrap();
    let script = format!(
        "#!/bin/sh\ncase $* in *-T*) exec 9>>'{}'; (sleep 600 & echo $! >'{}') >/dev/null 2>&1 ;; esac\nexec 9>&-\nexec /usr/sbin/nginx \"$@\"\n",
        held.display(),
        site.prefix.join("holder").display(),
    );
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (name, value) in &mut site.host.services[0].settings {
        if *name == "binary" {
            wrapper.to_str().unwrap().clone_into(value);
        }
    }
    survey(&site);
    let holder = read(&site.prefix.join("holder"));
    let stays = Path::new(&held).exists();
    std::process::Command::new("kill").arg(holder.trim()).status().unwrap();
    assert!(stays);
}
