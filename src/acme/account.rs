//! The account at an ACME server.

use instant_acme::{Account, AccountCredentials, NewAccount};
use openssl::sha::sha256;

use crate::acme::error::IssueError;
use crate::acme::transport::Transport;
use crate::model::Secret;
use crate::plan::PlannedAcme;
use crate::ports::SecretFiles;

/// Takes the account up again, or makes one. A new one is on the disk before it is used.
pub(super) async fn take_up(accounts: &dyn SecretFiles, issuer: &PlannedAcme) -> Result<Account, IssueError> {
    let url = &issuer.directory;
    let name = name_of(issuer);
    let ca_file = issuer.ca_file.as_deref();
    let builder = Account::builder_with_http(Box::new(Transport::new(ca_file)?));
    let unreadable = |source| IssueError::Account { name: name.clone(), source };
    if let Some(text) = accounts.read(&name)? {
        let credentials: AccountCredentials = serde_json::from_slice(text.expose()).map_err(unreadable)?;
        let account = builder.from_credentials(credentials).await;
        return account.map_err(|error| IssueError::of("take up the account again", url, error));
    }
    let contact: Vec<&str> = issuer.contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let made = builder.create(&new, url.clone(), None).await;
    let (account, credentials) = made.map_err(|error| IssueError::of("make an account", url, error))?;
    let text = Secret::new(serde_json::to_vec(&credentials).map_err(unreadable)?);
    accounts.write(&name, &text)?;
    Ok(account)
}

/// Takes the account up again; none is made.
pub(super) async fn existing(
    accounts: &dyn SecretFiles,
    issuer: &PlannedAcme,
) -> Result<Account, IssueError> {
    match accounts.read(&name_of(issuer))? {
        Some(_) => take_up(accounts, issuer).await,
        None => Err(IssueError::NoAccount { url: issuer.directory.clone() }),
    }
}

/// Puts an account aside that the server no longer knows; its file is kept.
pub(super) fn forget(accounts: &dyn SecretFiles, issuer: &PlannedAcme) -> Result<(), IssueError> {
    let name = name_of(issuer);
    Ok(accounts.rename(&name, &name.replace(".json", ".unknown"))?)
}

/// One for each server and set of contacts.
fn name_of(issuer: &PlannedAcme) -> String {
    let what = format!("{}\n{}", issuer.directory, issuer.contact.join("\n"));
    let host = issuer.directory.split('/').nth(2).unwrap_or_default().replace(':', "_");
    format!("{host}-{}.json", hex::encode(&sha256(what.as_bytes())[..4]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::testing::{Files, issuer};

    #[test]
    fn there_is_one_account_for_each_server_and_set_of_contacts() {
        let ours = issuer();
        let name = name_of(&ours);
        assert!(name.starts_with("ca.test_14000-") && name.ends_with(".json"), "{name}");
        let with = |directory: &str, contact: &[&str], profile: Option<&str>| {
            let contact = contact.iter().map(|one| (*one).to_owned()).collect();
            let profile = profile.map(str::to_owned);
            name_of(&PlannedAcme { directory: directory.to_owned(), contact, profile, ..issuer() })
        };
        let (directory, contact) = (ours.directory.as_str(), ours.contact[0].as_str());
        assert_eq!(with(directory, &[contact], Some("shortlived")), name);
        assert_ne!(with("https://ca.test:14000/other", &[contact], None), name);
        assert_ne!(with(directory, &[], None), name);
        assert_ne!(with(directory, &[contact, "mailto:dev@example.com"], None), name);
    }

    #[tokio::test]
    async fn an_account_that_the_server_forgot_is_put_aside_and_none_is_made_to_revoke() {
        let (files, ours) = (Files::default(), issuer());
        let none = existing(&files, &ours).await.err().unwrap();
        assert_eq!(none.to_string(), "find an account at https://ca.test:14000/dir");
        files.write(&name_of(&ours), &Secret::new(b"{}".to_vec())).unwrap();
        let unreadable = existing(&files, &ours).await.err().unwrap();
        assert!(matches!(unreadable, IssueError::Account { .. }), "{unreadable}");
        forget(&files, &ours).unwrap();
        assert_eq!(files.names(), [name_of(&ours).replace(".json", ".unknown")]);
    }
}
