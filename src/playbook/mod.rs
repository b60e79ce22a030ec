//! The playbook: one YAML file per certificate, read whole, every problem at once.
//!
//! What is read here is what was written: patterns and `{{ variables }}` meet the inventory in `plan`.

mod certificate;
mod client;
mod copies;
mod file_mode;
mod install;
mod issuer;
mod parse;
mod per_key;
mod service;
mod template;
mod verify;
mod wave;
mod windows;

pub use certificate::{CertificateSettings, Renew};
pub use client::{ClientCertificateFiles, ClientKeys};
pub use copies::CopySettings;
pub use install::InstallSettings;
pub use issuer::{AcmeIssuer, FilesIssuer, Http01, Issuer};
pub use parse::{Playbook, parse};
pub use per_key::PerKey;
pub use service::{
    CommandSettings, EnvoySettings, HaproxySettings, NginxSettings, ReloadBy, Service, ServiceKind,
};
pub use template::{MissingVariable, Template};
pub use verify::VerifySettings;
pub use wave::{OnFailure, Wave};
pub use windows::Windows;

#[cfg(test)]
mod tests;
