//! `waves:` who goes when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Amount, WaveName, format_duration};
use crate::yaml::{Fields, FromNode, Node, Problem, Problems, Spanned, Value};

/// One wave as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// What it is called.
    pub name: Spanned<WaveName>,
    /// A host pattern. Hosts that an earlier wave had are left out.
    pub hosts: Spanned<String>,
    /// Sizes of successive batches; the last one repeats. None means one batch.
    pub batch: Vec<Amount>,
    /// How many hosts are in flight at once.
    pub parallel: u32,
    /// How many hosts may fail.
    pub max_failures: Amount,
    /// How long the wave is watched.
    pub soak: Duration,
    /// It begins only once somebody approved it.
    pub approval: bool,
    /// How long it may go on without a host coming to its end.
    pub progress_deadline: Option<Duration>,
    /// How long it may take, with its soak.
    pub deadline: Option<Spanned<Duration>>,
}

/// Hosts in flight at once where a wave does not say.
const PARALLEL: u32 = 32;

impl FromNode for Wave {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "a wave", problems)?;
        let name = fields.required("name", problems);
        let hosts = fields.required("hosts", problems);
        let batch = fields.node("batch").and_then(|node| batch(node, problems)).unwrap_or_default();
        let parallel = fields.optional::<Spanned<u32>>("parallel", problems);
        if let Some(parallel) = parallel.as_ref().filter(|parallel| parallel.value == 0) {
            problems.push(Problem::at(parallel.span, "`parallel` is 0: no host would ever be changed"));
        }
        let max_failures = fields.optional("max_failures", problems).unwrap_or(Amount::Count(0));
        let soak = fields.optional("soak", problems).unwrap_or_default();
        let progress_deadline = limit(&mut fields, "progress_deadline", problems).map(|limit| limit.value);
        let deadline = limit(&mut fields, "deadline", problems);
        if let Some(deadline) = deadline.as_ref().filter(|deadline| deadline.value <= soak) {
            let (deadline, soak, span) =
                (format_duration(deadline.value), format_duration(soak), deadline.span);
            problems.push(
                Problem::at(span, format!("`deadline` is {deadline}, and the soak alone takes {soak}"))
                    .hint("the wave could never pass: its hosts and its soak have to fit"),
            );
        }
        let approval = fields.node("approval").is_some_and(|node| approval(node, problems));
        fields.finish(problems);
        let parallel = parallel.map_or(PARALLEL, |parallel| parallel.value);
        Some(Self {
            name: name?,
            hosts: hosts?,
            batch,
            parallel,
            max_failures,
            soak,
            approval,
            progress_deadline,
            deadline,
        })
    }
}

/// A time in which something has to be over.
pub(super) fn limit(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<Spanned<Duration>> {
    let limit = fields.optional::<Spanned<Duration>>(key, problems)?;
    if limit.value.is_zero() {
        let problem = Problem::at(limit.span, format!("`{key}` is 0: nothing could ever be over in time"));
        problems.push(problem.hint("leave it out: then there is no limit"));
    }
    Some(limit)
}

fn approval(node: &Node, problems: &mut Problems) -> bool {
    match String::from_node(node, problems).as_deref() {
        Some("required") => return true,
        Some(other) => problems.push(
            Problem::at(node.span, format!("`approval` is `{other}`"))
                .hint("write `required`, or leave it out: then the wave begins by itself"),
        ),
        None => {}
    }
    false
}

/// One size, or a list of them; none of zero hosts.
fn batch(node: &Node, problems: &mut Problems) -> Option<Vec<Amount>> {
    let sizes: Vec<Spanned<Amount>> = match node.value {
        Value::Sequence(_) => Vec::from_node(node, problems)?,
        _ => vec![Spanned::from_node(node, problems)?],
    };
    for size in &sizes {
        if matches!(size.value, Amount::Count(0) | Amount::Percent(0)) {
            problems.push(Problem::at(size.span, "a batch of no hosts").hint("the smallest batch is `1`"));
        }
    }
    Some(sizes.into_iter().map(|size| size.value).collect())
}

/// What follows for the other hosts when a wave failed. A host whose own proof failed always goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Every host of the rollout goes back, newest wave first.
    #[default]
    Rollback,
    /// Every host of the failed wave goes back; earlier waves keep the new certificate.
    RollbackWave,
    /// Only hosts that failed go back, those that failed during the soak included.
    RollbackHost,
    /// Nothing more is changed: what is proven stays, a person decides.
    Halt,
}

impl FromNode for OnFailure {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        match String::from_node(node, problems)?.as_str() {
            "rollback" => Some(OnFailure::Rollback),
            "rollback-wave" => Some(OnFailure::RollbackWave),
            "rollback-host" => Some(OnFailure::RollbackHost),
            "halt" => Some(OnFailure::Halt),
            other => {
                problems.push(
                    Problem::at(node.span, format!("`{other}` is nothing that can follow a failure"))
                        .hint("one of `rollback`, `rollback-wave`, `rollback-host` and `halt`"),
                );
                None
            }
        }
    }
}
