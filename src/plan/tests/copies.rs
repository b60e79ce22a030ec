//! Files of their own on a host.

use crate::plan::testing::{first_host, resolved};

fn problems(install: &str) -> Vec<String> {
    resolved(&format!("install: {{{install}}}")).unwrap_err()
}

#[test]
fn each_host_has_its_own_paths() {
    let copies = "{'/etc/{{ inventory_hostname }}.key': {from: privkey.pem, owner: app, mode: '0640'}}";
    let host = first_host(&format!("install: {{copies: {copies}}}"));
    let copy = &host.install.copies[0];
    assert_eq!((copy.path.as_str(), copy.file.to_string().as_str()), ("/etc/web01.key", "privkey.pem"));
    assert_eq!((copy.owner.as_deref(), &copy.group, copy.mode), (Some("app"), &None, Some(0o640)));
}

#[test]
fn a_path_has_one_file_outside_of_certwaves_own_folder() {
    let copy = |path: &str| format!("copies: {{{path}: {{from: privkey.pem}}}}");
    let inside = problems(&copy("/etc/certwave/live/a.key"));
    assert_eq!(inside, ["the copy `/etc/certwave/live/a.key` is in certwave's own folder, `/etc/certwave`"]);
    let linked = problems(&format!("{}, links: {{/a.key: privkey.pem}}", copy("/a.key")));
    assert_eq!(linked, ["`/a.key` is a link as well"]);
    let twice = problems(
        "copies: {/a.key: {from: privkey.pem}, /a//key: {from: cert.pem}, /a/key: {from: cert.pem}}",
    );
    assert_eq!(twice, ["there are two copies at `/a/key`"]);
    assert_eq!(
        problems("copies: {/a.key: {from: privkey.rsa.pem}}"),
        ["there is no `privkey.rsa.pem` in a version"]
    );
}
