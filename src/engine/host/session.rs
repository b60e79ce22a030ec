//! One host's connection, with its lock, for all steps that follow each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::engine::handshake::availability::AvailabilityProbe;
use crate::install::{
    Input, InstallError, LockAnswer, Output, RemoteShells, Script, SudoLog, SudoLogs, Task, login_line,
};
use crate::model::Secret;
use crate::plan::HostPlan;
use crate::ports::{
    Certainty, Connection, Connector, HeldCommand, RemoteCommand, RemoteError, RemoteErrorKind, RemoteOutput,
};
use crate::rollout::{Measured, StepFailure};
use crate::service::runtime_api;

/// Long enough for a host under load to start a shell.
const LOCK_DEADLINE: Duration = Duration::from_secs(30);

/// A connection, and where the host is changed the shell that attends it and holds its lock.
pub(crate) struct Session<C: Connection> {
    pub(crate) connection: Arc<C>,
    /// Keeps the lock while it lives; none where nothing is changed.
    shell: Option<C::Held>,
    /// Whether it does its first task already.
    ahead: AtomicBool,
    /// What sudo keeps of what is sent and printed, as far as the host was asked.
    pub(crate) sudo_logs: SudoLogs,
    /// Watches the host from before its switch to its proof.
    pub(crate) probes: Vec<AvailabilityProbe>,
}

/// What a transport that failed means for a step.
pub(crate) fn transport(error: RemoteError) -> StepFailure {
    let reason = error.reason;
    match (error.certainty, error.kind) {
        (Certainty::MaybeSent, _) => StepFailure::InDoubt { reason },
        // The host is there, but does not let us in, or is not who it should be.
        (_, RemoteErrorKind::HostKey | RemoteErrorKind::Login) => StepFailure::Failed { reason },
        (Certainty::NotSent, _) => StepFailure::Unreachable { reason },
    }
}

impl<C: Connection> Session<C> {
    /// Connects and takes the host's lock. The task that comes `first` is begun with it, and has to be the first one that is
    /// asked for.
    pub(crate) async fn open<K>(
        connector: &K,
        plan: &HostPlan,
        shells: &RemoteShells,
        first: Option<&Task>,
    ) -> Result<Self, StepFailure>
    where
        K: Connector<Connection = C>,
    {
        let connection = connector.connect(&plan.login).await.map_err(transport)?;
        let attending = shells.attend(&plan.install, &plan.script_services(), first);
        let line = login_line(plan.login.become_user.as_deref());
        let script = attending.first_line();
        let command = RemoteCommand { line, script, stdin: attending.input.into(), deadline: LOCK_DEADLINE };
        let held = connection.hold(command).await.map_err(|error| {
            // Taking the lock changes nothing that matters: it is let go with the connection.
            StepFailure::Unreachable { reason: error.reason }
        })?;
        let (shell, sudo_logs) = match held {
            Ok((line, shell)) => match LockAnswer::parse(&line) {
                Some(LockAnswer::Locked(sudo_logs)) => (shell, sudo_logs),
                Some(LockAnswer::Busy(holder)) => return Err(failed(&InstallError::Locked { holder })),
                Some(LockAnswer::Refused(error)) => return Err(failed(&error)),
                None => {
                    let reason =
                        format!("the host's shell says `{}` before any command runs", line.trim_end());
                    return Err(StepFailure::Failed { reason });
                }
            },
            Err(output) => return Err(failed(&LockAnswer::failure(&answer(&output)))),
        };
        let (connection, ahead) = (Arc::new(connection), first.is_some().into());
        Ok(Self { connection, shell: Some(shell), ahead, sudo_logs, probes: Vec::new() })
    }

    /// Connects in order to look: others may change the host meanwhile.
    pub(crate) async fn unlocked<K>(connector: &K, plan: &HostPlan) -> Result<Self, StepFailure>
    where
        K: Connector<Connection = C>,
    {
        connector.connect(&plan.login).await.map(|made| Self::over(Arc::new(made))).map_err(transport)
    }

    /// The same, over a connection that is there.
    pub(crate) fn over(connection: Arc<C>) -> Self {
        Self {
            connection,
            shell: None,
            ahead: false.into(),
            sudo_logs: SudoLogs::default(),
            probes: Vec::new(),
        }
    }

    /// Has the shell that attends the host do a task.
    pub(crate) async fn task(&self, task: &Task, deadline: Duration) -> Result<RemoteOutput, StepFailure> {
        self.may_send(task.payload.is_some())?;
        self.ask(task, deadline).await
    }

    /// # Errors
    /// Where sudo would keep a key that is sent. A rollout that saw that when it inspected the host did not come to this.
    fn may_send(&self, key: bool) -> Result<(), StepFailure> {
        let would_keep = key && self.sudo_logs.input == SudoLog::On;
        if would_keep { Err(failed(&InstallError::InputLogged)) } else { Ok(()) }
    }

    async fn ask(&self, task: &Task, deadline: Duration) -> Result<RemoteOutput, StepFailure> {
        let Some(shell) = &self.shell else {
            return Err(StepFailure::Failed { reason: "the host's lock is not held".to_owned() });
        };
        let Task { line, payload } = task;
        let answer = match self.ahead.swap(false, Ordering::Relaxed) {
            true => shell.answer(Task::ENDED, deadline).await,
            false => shell.ask(line, payload.clone(), Task::ENDED, deadline).await,
        };
        answer.map_err(transport)
    }

    /// Ends the availability probes, and says what they saw together.
    pub(crate) async fn end_probes(&mut self) -> Measured {
        let mut all = Vec::new();
        for probe in self.probes.drain(..) {
            all.push(probe.finish().await);
        }
        all.into_iter().fold(Measured::default(), Measured::and)
    }

    /// Runs a script to its end: by the shell that attends the host, where there is one.
    pub(crate) async fn run(
        &self,
        plan: &HostPlan,
        script: &Script,
        stdin: Option<Secret>,
        deadline: Duration,
    ) -> Result<RemoteOutput, StepFailure> {
        if self.shell.is_some() {
            self.may_send(stdin.as_ref().is_some_and(runtime_api::has_key))?;
            let output = self.ask(&Task::script(script, stdin), deadline).await?;
            let (stdout, stderr) = Task::streams(output.stdout);
            return Ok(RemoteOutput { stdout, stderr, ..output });
        }
        let become_user = plan.login.become_user.as_deref();
        let command = command(become_user, script, stdin, deadline);
        self.connection.exec(command).await.map_err(transport)
    }
}

/// A script as a command of its own.
pub(crate) fn command(
    become_user: Option<&str>,
    script: &Script,
    stdin: Option<Secret>,
    deadline: Duration,
) -> RemoteCommand {
    let input = if stdin.is_some() { Input::Follows } else { Input::None };
    let (line, script) = (login_line(become_user), script.program(input));
    RemoteCommand { line, script, stdin: stdin.into_iter().collect(), deadline }
}

/// A remote output as `install` reads it.
pub(crate) fn answer(output: &RemoteOutput) -> Output<'_> {
    Output { status: output.status, stdout: &output.stdout, stderr: &output.stderr }
}

/// What it means for a step when a script said what is wrong, or ended without saying anything.
pub(crate) fn failed(error: &InstallError) -> StepFailure {
    let reason = error.to_string();
    match error {
        InstallError::Unfinished { .. } => StepFailure::InDoubt { reason },
        _ => StepFailure::Failed { reason },
    }
}
