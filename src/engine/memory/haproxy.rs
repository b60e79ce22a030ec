//! The dialogues with an HAProxy: its memory after its disk, both or neither.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use crate::certificate::{Bundle, Certificate, CertificateSet, parse_pem};
use crate::engine::host::session::Session;
use crate::engine::memory::entries::{entries, files};
use crate::engine::memory::socket::ask;
use crate::install::{InstallError, InstallSpec, SudoLog};
use crate::model::{HostPath, Secret, Version};
use crate::plan::HostPlan;
use crate::ports::{Clock, Connection};
use crate::service::{
    Haproxy, HaproxyCertificate, HaproxyReload, RuntimeError, Service, Way, master, runtime_api as api,
};

/// Between two looks at a master that is reloading.
const LOOK: Duration = Duration::from_millis(100);
/// A worker that works answers sooner.
const ANSWER: Duration = Duration::from_secs(2);
const SCRIPT: Duration = Duration::from_secs(60);

/// One HAProxy of a host that is being changed.
pub(crate) struct HaproxyDialogue<'a, C: Connection> {
    pub(crate) session: &'a Session<C>,
    pub(crate) plan: &'a HostPlan,
    pub(crate) haproxy: &'a Haproxy,
}

/// What is to be served under one of its names.
struct ToServe {
    pem: Secret,
    leaf: Certificate,
    /// Certificates behind the leaf.
    chain: usize,
}

/// What one process of HAProxy holds.
struct InProcess {
    /// Everything.
    names: Vec<String>,
    /// For each file of ours, the names that lead to it.
    of: Vec<Vec<String>>,
    /// The name that a transaction is about.
    open: Option<String>,
}

/// HAProxy holds no such certificate: the error names some of those that it holds.
fn missing(path: &str, names: &[String]) -> RuntimeError {
    const TOLD: usize = 20;
    let mut known: Vec<String> = names.iter().take(TOLD).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => known.push("none".to_owned()),
        all if all > TOLD => known.push(format!("and {} others", all - TOLD)),
        _ => {}
    }
    RuntimeError::NoCertificate { path: path.to_owned(), known: known.join(", ") }
}

impl<C: Connection> HaproxyDialogue<'_, C> {
    /// Whether it can be told anything, before anything is changed. A transaction of ours that a lost controller
    /// left open is ended.
    pub(crate) async fn ready(&self, set: &CertificateSet) -> Result<(), String> {
        self.can_take(Some(set), true).await
    }

    /// The same question, with nothing ended; the certificate may not be known yet.
    pub(crate) async fn could_take(&self, set: Option<&CertificateSet>) -> Result<(), String> {
        self.can_take(set, false).await
    }

    async fn can_take(&self, set: Option<&CertificateSet>, ends_ours: bool) -> Result<(), String> {
        let reloads = self.haproxy.way(set) == Way::Reload;
        if !reloads && self.session.sudo_logs.output == SudoLog::On {
            return Err(InstallError::OUTPUT_LOGGED.to_owned());
        }
        for socket in &self.haproxy.sockets {
            let lists = match self.ask(socket, api::crt_lists()).await {
                Ok(answer) => answer,
                // It may be down, and is started once its certificate is there.
                Err(_) if self.start_command().is_some() => continue,
                Err(reason) => return Err(format!("HAProxy does not answer at {socket}: {reason}")),
            };
            if !reloads {
                self.said(api::read_level(&lists))?;
            }
            let held = self.held(socket).await?;
            let mut own: Vec<&str> = held.of.iter().flatten().map(String::as_str).collect();
            for (certificate, names) in self.haproxy.certificates.iter().zip(&held.of) {
                let called = certificate.called();
                // What a store calls by a name of its own is loaded by the configuration alone.
                let can_begin = self.haproxy.crt_list.is_some() && certificate.alias.is_none();
                match (names.is_empty(), can_begin) {
                    (false, _) => {}
                    (true, true) => own.push(called),
                    (true, false) => return Err(missing(called, &held.names).to_string()),
                }
            }
            if ends_ours || !held.open.as_deref().is_some_and(|open| own.contains(&open)) {
                self.clear(socket, &own, held.open.as_deref()).await?;
            }
        }
        if reloads && let HaproxyReload::Master(socket) = &self.haproxy.reload {
            self.processes(socket).await?;
        }
        Ok(())
    }

    /// Makes it serve what is on the disk now. Reads back what it holds.
    pub(crate) async fn take(&self, set: &CertificateSet, clock: &impl Clock) -> Result<Way, String> {
        if self.haproxy.way(Some(set)) == Way::Reload {
            return self.reload(clock).await.map(|()| Way::Reload);
        }
        if let Some(command) = self.starts_by().await {
            return self.reload_by(command).await.map(|()| Way::Reload);
        }
        let files = files(self.plan, self.haproxy);
        let of = |file: &HaproxyCertificate| {
            wanted(set.of(file.file.algorithm.or_else(|| set.leaf().key_algorithm())))
        };
        let wanted: Vec<ToServe> = files.iter().map(of).collect();
        for socket in &self.haproxy.sockets {
            let mut held = self.held(socket).await?;
            for (at, (file, wanted)) in files.iter().zip(&wanted).enumerate() {
                if self.is_concerned(&held, at) {
                    self.update(socket, (at, file), &mut held, wanted).await?;
                }
            }
        }
        Ok(Way::RuntimeApi)
    }

    /// Makes it serve a version that is on the disk again.
    pub(crate) async fn put_back(
        &self,
        version: &Version,
        set: &CertificateSet,
        clock: &impl Clock,
    ) -> Result<(), String> {
        if self.haproxy.way(Some(set)) == Way::Reload {
            return self.reload(clock).await;
        }
        if let Some(command) = self.starts_by().await {
            return self.reload_by(command).await;
        }
        let files = files(self.plan, self.haproxy);
        let mut before: BTreeMap<usize, Option<ToServe>> = BTreeMap::new();
        for (at, certificate) in self.haproxy.certificates.iter().enumerate() {
            before.insert(at, self.on_disk(certificate, version).await?);
        }
        for socket in &self.haproxy.sockets {
            let mut held = self.held(socket).await?;
            for (at, file) in files.iter().enumerate() {
                if !self.is_concerned(&held, at) {
                    continue;
                }
                let before = match before.entry(at) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => unknown.insert(self.on_disk(file, version).await?),
                };
                match before {
                    Some(wanted) => self.update(socket, (at, file), &mut held, wanted).await?,
                    None if at < self.haproxy.certificates.len() => {
                        self.forget(socket, &held.of[at]).await?;
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// What a process holds.
    async fn held(&self, socket: &HostPath) -> Result<InProcess, String> {
        let api::CertificateList { names, open } = self.list(socket).await?;
        let of = entries(self.session, self.plan, self.haproxy, &names).await?;
        Ok(InProcess { names, of, open })
    }

    /// Whether HAProxy gets the new certificate for a file: always where the playbook names it, else where HAProxy holds it.
    fn is_concerned(&self, held: &InProcess, at: usize) -> bool {
        at < self.haproxy.certificates.len() || held.of.get(at).is_some_and(|names| !names.is_empty())
    }

    /// What the version holds for a certificate; None where it has no such file.
    async fn on_disk(
        &self,
        certificate: &HaproxyCertificate,
        version: &Version,
    ) -> Result<Option<ToServe>, String> {
        let script = self.plan.install.read(version, certificate.file);
        let output = self.session.run(self.plan, &script, None, SCRIPT).await;
        let output = output.map_err(|_| format!("{version} could not be read from the host"))?;
        if output.status != 0 {
            return Ok(None);
        }
        let certificates = parse_pem(&output.stdout).map_err(|error| error.to_string())?;
        let chain = certificates.len() - 1;
        let pem = Secret::new(output.stdout);
        let pem = if api::has_key(&pem) { pem } else { self.with_its_key(certificate, pem).await? };
        let leaf = certificates.into_iter().next();
        Ok(leaf.map(|leaf| ToServe { pem, leaf, chain }))
    }

    /// Where a file of somebody else's has no key, HAProxy reads it from a file beside it (`ssl-load-extra-files`, HAProxy
    /// configuration manual, 3.1). No rollout changes that one.
    async fn with_its_key(&self, certificate: &HaproxyCertificate, pem: Secret) -> Result<Secret, String> {
        let path = format!("{}.key", certificate.path);
        let output = self.session.run(self.plan, &InstallSpec::read_key(&path), None, SCRIPT).await;
        let output = output.map_err(|_| format!("`{path}` could not be read from the host"))?;
        if output.status != 0 {
            return Err(format!("the certificate from before has no key, and neither has `{path}`"));
        }
        Ok(api::with_key(&pem, &Secret::new(output.stdout)))
    }

    /// Under each of its names.
    async fn update(
        &self,
        socket: &HostPath,
        (at, file): (usize, &HaproxyCertificate),
        held: &mut InProcess,
        wanted: &ToServe,
    ) -> Result<(), String> {
        let mut names = held.of[at].clone();
        if names.is_empty() && file.alias.is_some() {
            return Err(missing(file.called(), &held.names).to_string());
        }
        if names.is_empty() {
            names.push(self.begin(socket, file).await?);
        }
        for (nth, name) in names.iter().enumerate() {
            let looks_right = self.holds(socket, name, wanted).await == Ok(api::Told::Whole);
            let own: Vec<&str> = held.of.iter().flatten().chain(&names).map(String::as_str).collect();
            let replaced = match self.clear(socket, &own, held.open.as_deref()).await {
                Ok(()) => {
                    held.open = None;
                    self.replace(socket, name, wanted).await
                }
                Err(busy) => Err(busy),
            };
            // Two chains of one leaf can look alike, so that what looks right is replaced, too. Where somebody else's
            // transaction prevents that, what looks right will do.
            if !looks_right {
                replaced?;
            }
            // Of several spellings, the configuration has listed the others.
            if nth == 0
                && at < self.haproxy.certificates.len()
                && let Some(crt_list) = &self.haproxy.crt_list
            {
                self.add_to_list(socket, crt_list.as_str(), name).await?;
            }
            self.holds(socket, name, wanted).await?;
        }
        Ok(())
    }

    /// A certificate that it does not have yet.
    async fn begin(&self, socket: &HostPath, certificate: &HaproxyCertificate) -> Result<String, String> {
        let name = certificate.path.to_string();
        let answer = self.ask(socket, api::new(&name)).await?;
        self.said(api::read_new(&name, &answer))?;
        Ok(name)
    }

    /// Has listeners use it. HAProxy takes an entry of a crt-list as often as it is told.
    async fn add_to_list(&self, socket: &HostPath, crt_list: &str, name: &str) -> Result<(), String> {
        let answer = self.ask(socket, api::crt_list(crt_list)).await?;
        if api::is_listed(name, &answer) {
            return Ok(());
        }
        let answer = self.ask(socket, api::add_to_list(crt_list, name)).await?;
        self.said(api::read_add(crt_list, name, &answer))
    }

    /// One transaction. Whatever fails, none is left open.
    async fn replace(&self, socket: &HostPath, name: &str, wanted: &ToServe) -> Result<(), String> {
        let set = api::set(name, &wanted.pem, self.haproxy.bufsize).ok_or_else(|| {
            format!("the certificate is too long for `tune.bufsize` {}", self.haproxy.bufsize)
        })?;
        let committed = match self.ask(socket, set).await {
            Ok(answer) => match api::read_set(name, &answer) {
                Ok(()) => {
                    let answer = self.ask(socket, api::commit(name)).await?;
                    self.said(api::read_commit(name, &answer))
                }
                // From 3.0.11 on it refuses, and the other transaction is as it was: not ours to end.
                Err(busy @ RuntimeError::Busy { .. }) => return Err(busy.to_string()),
                Err(error) => Err(error.to_string()),
            },
            Err(reason) => Err(reason),
        };
        if committed.is_err() {
            // Of whichever name: what the other transaction held is spoilt by ours.
            let open = self.list(socket).await.ok().and_then(|list| list.open);
            if let Some(open) = open {
                self.ask(socket, api::abort(&open)).await?;
            }
        }
        committed
    }

    /// How far that is borne out. Of what HAProxy does not say, handshakes are the proof.
    async fn holds(&self, socket: &HostPath, name: &str, wanted: &ToServe) -> Result<api::Told, String> {
        let answer = self.ask(socket, api::show(name)).await?;
        self.said(api::read_show(name, &wanted.leaf, wanted.chain, &answer))
    }

    /// A certificate that was not there before. That HAProxy keeps it in memory harms nobody, if it must.
    async fn forget(&self, socket: &HostPath, names: &[String]) -> Result<(), String> {
        for name in names {
            if let Some(crt_list) = &self.haproxy.crt_list {
                self.ask(socket, api::remove_from_list(crt_list.as_str(), name)).await?;
            }
            self.ask(socket, api::forget(name)).await?;
        }
        Ok(())
    }

    /// Ends a transaction of ours that was left open; one of somebody else's is in the way.
    async fn clear(&self, socket: &HostPath, own: &[&str], open: Option<&str>) -> Result<(), String> {
        match open {
            None => Ok(()),
            Some(ours) if own.contains(&ours) => self.ask(socket, api::abort(ours)).await.map(drop),
            Some(other) => Err(RuntimeError::Busy { other: other.to_owned() }.to_string()),
        }
    }

    /// The command that starts it, where a person said that it may be down.
    fn start_command(&self) -> Option<&str> {
        match &self.haproxy.reload {
            HaproxyReload::Command(command) if self.plan.accepted => Some(command),
            _ => None,
        }
    }

    /// The same, where it is down: it reads its disk then.
    async fn starts_by(&self) -> Option<&str> {
        let command = self.start_command()?;
        for socket in &self.haproxy.sockets {
            if self.list(socket).await.is_err() {
                return Some(command);
            }
        }
        None
    }

    async fn list(&self, socket: &HostPath) -> Result<api::CertificateList, String> {
        let answer = self.ask(socket, api::list()).await?;
        self.said(api::read_list(&answer))
    }

    async fn ask(&self, socket: &HostPath, question: Secret) -> Result<String, String> {
        ask(self.session, self.plan, socket, question).await
    }

    fn said<T>(&self, read: Result<T, RuntimeError>) -> Result<T, String> {
        read.map_err(|error| error.to_string())
    }

    /// Reloads by the master, and sees to it that it happened. A command ran on the host already.
    async fn reload(&self, clock: &impl Clock) -> Result<(), String> {
        let socket = match &self.haproxy.reload {
            HaproxyReload::Master(socket) => socket,
            HaproxyReload::Command(command) => return self.reload_by(command).await,
        };
        let before = self.processes(socket).await?;
        let answer = self.ask(socket, master::reload()).await.unwrap_or_default();
        // That it loaded says nothing of how its worker fares.
        master::read_reload(&answer).unwrap_or(Ok(()))?;
        let mut forked = false;
        let until = crate::model::later(clock.now(), self.plan.timeout);
        loop {
            // While the master replaces itself, its socket answers nothing.
            if let Ok(now) = self.processes(socket).await
                && let Some(ended) = master::reloaded(&before, &now)
            {
                ended?;
                forked = true;
                if self.work(socket, &now.workers).await {
                    return Ok(());
                }
            }
            if clock.now() >= until {
                let seconds = self.plan.timeout.as_secs();
                return Err(match forked {
                    true => {
                        format!("the master reloaded, but its new worker did not answer within {seconds} s")
                    }
                    false => format!("the master did not reload within {seconds} s"),
                });
            }
            clock.sleep(LOOK).await;
        }
    }

    /// Whether each of these workers answers: one that dies at once, or cannot start its threads, does not.
    async fn work(&self, master: &HostPath, workers: &[u32]) -> bool {
        for &worker in workers {
            let answer = tokio::time::timeout(ANSWER, self.ask(master, master::ask_worker(worker))).await;
            if !answer.is_ok_and(|said| said.is_ok_and(|said| master::has_answered(worker, &said))) {
                return false;
            }
        }
        true
    }

    /// With a runtime API that was not used, the command has not run yet.
    async fn reload_by(&self, command: &str) -> Result<(), String> {
        if self.haproxy.sockets.is_empty() {
            return Ok(());
        }
        let script = crate::install::Script::new()
            .assign("command", command)
            .text("exec sh -c \"$command\" </dev/null");
        let output = self.session.run(self.plan, &script, None, self.plan.timeout).await;
        match output {
            Ok(output) if output.status == 0 => Ok(()),
            Ok(output) => {
                let said = crate::model::visible_lines(String::from_utf8_lossy(&output.stderr).trim());
                Err(format!("`{command}` ended with {}: {said}", output.status))
            }
            Err(_) => Err(format!("`{command}` was not heard of again")),
        }
    }

    async fn processes(&self, socket: &HostPath) -> Result<master::Processes, String> {
        let answer = self.ask(socket, master::processes()).await?;
        master::read_processes(&answer)
            .ok_or_else(|| format!("`{socket}` is not the socket of a master process"))
    }
}

fn wanted(bundle: &Bundle) -> ToServe {
    ToServe {
        pem: bundle.combined_pem(),
        leaf: bundle.leaf().clone(),
        chain: bundle.fingerprints().len() - 1,
    }
}
