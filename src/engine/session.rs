//! One host's connection, with its lock, for all steps that follow each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::engine::fleet::services;
use crate::engine::ports::{
    Certainty, Connection, Connector, HeldCommand, RemoteCommand, RemoteError, RemoteErrorKind, RemoteOutput,
};
use crate::engine::witness::Witness;
use crate::install::{Attendants, InstallError, LockAnswer, Output, Script, Task};
use crate::model::Secret;
use crate::plan::HostPlan;
use crate::rollout::StepResult;

/// Long enough for a host under load to start a shell.
const LOCK_DEADLINE: Duration = Duration::from_secs(30);

/// A connection, and where the host is changed the shell that attends it and holds its lock.
pub(super) struct Session<C: Connection> {
    pub(super) connection: Arc<C>,
    /// Keeps the lock while it lives; none where nothing is changed.
    shell: Option<C::Held>,
    /// Whether it does its first task already.
    ahead: AtomicBool,
    /// Watches the host from before its switch to its proof.
    pub(super) witnesses: Vec<Witness>,
}

/// Why a step has no result of its own: the answer that it is given instead.
pub(super) type Ended = StepResult;

/// The answer for a transport that failed.
pub(super) fn transport(error: RemoteError) -> Ended {
    let reason = error.reason;
    match (error.certainty, error.kind) {
        (Certainty::MaybeSent, _) => StepResult::InDoubt { reason },
        // The host is there, but does not let us in, or is not who it should be.
        (_, RemoteErrorKind::HostKey | RemoteErrorKind::Login) => StepResult::Failed { reason },
        (Certainty::NotSent, _) => StepResult::Unreachable { reason },
    }
}

impl<C: Connection> Session<C> {
    /// Connects and takes the host's lock. The task that comes `first` is begun with it, and has to be the first one that is
    /// asked for.
    pub(super) async fn open<K>(
        connector: &K,
        plan: &HostPlan,
        attendants: &Attendants,
        first: Option<&Task>,
    ) -> Result<Self, Ended>
    where
        K: Connector<Connection = C>,
    {
        let connection = connector.connect(&plan.login).await.map_err(transport)?;
        let attending = attendants.attend(&plan.install, &services(plan), first);
        let line = attending.loader().line(plan.login.become_user.as_deref());
        let command = RemoteCommand { line, stdin: attending.input.into(), deadline: LOCK_DEADLINE };
        let held = connection.hold(command).await.map_err(|error| {
            // Taking the lock changes nothing that matters: it is let go with the connection.
            StepResult::Unreachable { reason: error.reason }
        })?;
        let shell = match held {
            Ok((line, shell)) => match LockAnswer::parse(&line) {
                Some(LockAnswer::Locked) => shell,
                Some(LockAnswer::Busy(holder)) => return Err(failed(&InstallError::Locked { holder })),
                None => {
                    let reason =
                        format!("the host's shell says `{}` before any command runs", line.trim_end());
                    return Err(StepResult::Failed { reason });
                }
            },
            Err(output) => return Err(failed(&LockAnswer::failure(&answer(&output)))),
        };
        let (connection, ahead) = (Arc::new(connection), first.is_some().into());
        Ok(Self { connection, shell: Some(shell), ahead, witnesses: Vec::new() })
    }

    /// Connects in order to look: others may change the host meanwhile.
    pub(super) async fn unlocked<K>(connector: &K, plan: &HostPlan) -> Result<Self, Ended>
    where
        K: Connector<Connection = C>,
    {
        let connection = connector.connect(&plan.login).await.map_err(transport)?;
        let connection = Arc::new(connection);
        Ok(Self { connection, shell: None, ahead: false.into(), witnesses: Vec::new() })
    }

    /// Has the shell that attends the host do a task.
    pub(super) async fn task(&self, task: &Task, deadline: Duration) -> Result<RemoteOutput, Ended> {
        let Some(shell) = &self.shell else {
            return Err(StepResult::Failed { reason: "the host's lock is not held".to_owned() });
        };
        let Task { line, payload } = task;
        let answer = match self.ahead.swap(false, Ordering::Relaxed) {
            true => shell.answer(Task::ENDED, deadline).await,
            false => shell.ask(line, payload.clone(), Task::ENDED, deadline).await,
        };
        answer.map_err(transport)
    }

    /// Runs a script to its end.
    pub(super) async fn run(
        &self,
        plan: &HostPlan,
        script: &Script,
        stdin: Option<Secret>,
        deadline: Duration,
    ) -> Result<RemoteOutput, Ended> {
        let line = script.line(plan.login.become_user.as_deref());
        let stdin = stdin.into_iter().collect();
        self.connection.exec(RemoteCommand { line, stdin, deadline }).await.map_err(transport)
    }
}

/// A remote output as `install` reads it.
pub(super) fn answer(output: &RemoteOutput) -> Output<'_> {
    Output { status: output.status, stdout: &output.stdout, stderr: &output.stderr }
}

/// The answer for a script that said what is wrong, or ended without saying anything.
pub(super) fn failed(error: &InstallError) -> Ended {
    let reason = error.to_string();
    match error {
        InstallError::Unfinished { .. } => StepResult::InDoubt { reason },
        _ => StepResult::Failed { reason },
    }
}
