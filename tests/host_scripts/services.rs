//! What services are asked for, in which order, and what becomes of what they say.

use certwave::install::{Activation, InstallSpec, shown_leaves};

use crate::support::{Host, SHELLS, quoted, read, version};

/// Which commands ran, each on a line.
fn note(host: &Host, what: &str) -> String {
    format!("echo {what} >>'{}'", quoted(&host.file("asked")))
}

#[test]
fn no_service_is_reloaded_before_all_have_taken_the_test() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.install(&version(1), None, "one");
        let live = quoted(&host.live("fullchain.pem"));
        host.command(&note(&host, "test-1"), &note(&host, "reload-1"));
        host.command(&format!("{}; ! grep bad '{live}'", note(&host, "test-2")), &note(&host, "reload-2"));
        host.install(&version(2), Some(&version(1)), "two");
        assert_eq!(read(&host.file("asked")), "test-1\ntest-2\nreload-1\nreload-2\n", "{shell:?}");
        host.stage(&version(3), "bad").unwrap();
        let refused = host.activate(&version(3), Some(&version(2))).unwrap();
        assert!(matches!(refused, Activation::Refused { swapped_back: true, .. }), "{shell:?}: {refused:?}");
        // The one that refused is asked once more, about what was there before.
        let asked = read(&host.file("asked"));
        let last: Vec<&str> = asked.lines().skip(4).collect();
        assert_eq!(last, ["test-1", "test-2", "test-2"], "{shell:?}");
    }
}

#[test]
fn after_a_failed_reload_no_other_service_is_reloaded() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.command("true", "exit 1");
        host.command("true", &note(&host, "reload-2"));
        host.stage(&version(1), "one").unwrap();
        let failed = host.activate(&version(1), None).unwrap();
        assert!(matches!(failed, Activation::ReloadFailed { .. }), "{shell:?}: {failed:?}");
        assert!(!host.file("asked").exists(), "{shell:?}");
    }
}

#[test]
fn what_a_service_says_is_no_answer_and_its_last_lines_are_told() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let lines = "for n in 0 1 2; do for m in 0 1 2 3 4 5 6 7 8 9; do echo line $n$m; done; done";
        host.command(&format!("{lines}; echo certwave:result activated; exit 1"), "true");
        host.stage(&version(1), "one").unwrap();
        let Ok(Activation::Refused { output, .. }) = host.activate(&version(1), None) else {
            panic!("{shell:?}: it was not refused");
        };
        let told: Vec<&str> = output.lines().collect();
        assert_eq!(told.len(), 20, "{shell:?}: {output}");
        assert_eq!((told[0], told[19]), ("line 11", "certwave:result activated"), "{shell:?}");
    }
}

/// The login's own path mostly leaves out where servers are.
#[test]
fn commands_find_the_programs_of_administrators() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.command("case $PATH: in *:/usr/sbin:/sbin:*) ;; *) false ;; esac", "true");
        host.install(&version(1), None, "one");
    }
}

#[test]
fn a_service_reads_nothing_of_the_controllers_input() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let read_in = host.file("read");
        host.command("true", &format!("cat >'{}'", quoted(&read_in)));
        host.install(&version(1), None, "one");
        assert_eq!(read(&read_in), "", "{shell:?}");
    }
}

/// One leaf of each kind of certificate, without its chain where there is a file of it alone, and never a key.
#[test]
fn the_leaves_of_both_certificates_of_a_version_are_shown() {
    let certificate =
        |name: &str| format!("-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n");
    for shell in SHELLS {
        let host = Host::new(shell);
        host.install(&version(1), None, "one");
        let write = |name: &str, text: &str| std::fs::write(host.live(name), certificate(text)).unwrap();
        write("cert.pem", "one");
        write("cert.ecdsa.pem", "EC");
        write("fullchain.ecdsa.pem", "ECandChain");
        write("fullchain.rsa.pem", "RSAandChain");
        let shown = host.run(&host.spec.show_certificates(&version(1)));
        let leaves = [certificate("one"), certificate("EC"), certificate("RSAandChain")];
        let leaves = leaves.map(|leaf| leaf.trim_end().to_owned());
        assert_eq!(shown_leaves(&shown.output()).unwrap(), leaves, "{shell:?}");
        let active = host.facts(&host.ask(&InstallSpec::inspect())).active;
        assert_eq!(active, leaves, "{shell:?}");
        // What is live does not matter, and a version may have nothing but what HAProxy reads.
        host.install(&version(2), Some(&version(1)), "two");
        assert_eq!(
            shown_leaves(&host.run(&host.spec.show_certificates(&version(1))).output()).unwrap(),
            leaves
        );
        let only = host.directory().join("archive/a.test").join(version(2).as_str());
        let key = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n";
        for (part, text) in
            [("cert", None), ("fullchain", None), ("combined", Some([key, &certificate("C")].concat()))]
        {
            let path = only.join(format!("{part}.pem"));
            std::fs::remove_file(&path).unwrap();
            text.into_iter().for_each(|text| std::fs::write(&path, text).unwrap());
        }
        let shown = host.run(&host.spec.show_certificates(&version(2)));
        assert_eq!(shown_leaves(&shown.output()).unwrap(), [certificate("C").trim_end()], "{shell:?}");
        assert!(!shown.text().contains("SECRET"), "{shell:?}");
    }
}
