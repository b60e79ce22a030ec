//! The person at the terminal: hears what operations say, and confirms what they are about to do.

use std::io::{BufRead, IsTerminal, Write};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use crate::acme;
use crate::cli::printer::Printer;
use crate::model::{OperationId, for_terminal};
use crate::operations::{Anew, BackTo, News, Progress};
use crate::plan::Plan;
use crate::ports::{Confirm, Observer, Question, Unanswered};
use crate::report::count;
use crate::report::view::{TimedNews, View};

/// The person at the terminal, or a script that says `--yes`.
pub(super) struct Terminal {
    pub(super) printer: Printer,
    /// `--yes`: nobody is asked.
    pub(super) yes: bool,
    pub(super) cancel: watch::Receiver<bool>,
}

impl Progress for Terminal {
    fn say(&self, news: &News) {
        let printer = self.printer;
        let day = |at: &Timestamp| at.strftime("%Y-%m-%d").to_string();
        match news {
            News::Intended { name, why, waves } => {
                let hosts: usize = waves.iter().map(|(_, hosts)| hosts).sum();
                let waves: Vec<String> =
                    waves.iter().map(|(wave, hosts)| format!("{wave} ({hosts})")).collect();
                printer.aside(&format!("{name}: {why}"));
                printer.aside(&format!("waves: {}, {hosts} in all", waves.join(", then ")));
            }
            News::GoesBack { name, to } => printer.aside(&match to {
                BackTo::Version { version, not_after } => {
                    format!("{name}: back to {version}, valid until {}; newest wave first", day(not_after))
                }
                BackTo::Before { version } => {
                    format!("{name}: each host back to what it had before {version}; newest wave first")
                }
            }),
            News::Unfinished { record, anew, same } => {
                let found = format!(
                    "rollout {} of {} {} did not finish",
                    record.id, record.certificate, record.version
                );
                let new = |why: &str| format!("{found}; {why}, so a new one begins");
                printer.remark(&match anew {
                    Some(Anew::OtherCertificate) => new("another certificate is asked for"),
                    Some(Anew::OtherPlan) => new("playbook or inventory changed since"),
                    None if *same => found,
                    None => format!(
                        "{found}; playbook or inventory changed since, and resuming it keeps to its own plan"
                    ),
                });
            }
            News::StaysPaused { rollout, reason } => {
                printer.remark(&format!("rollout {rollout} stays paused: {reason}"));
            }
            News::Resumes { record } => {
                let how = record.outcome.map_or("did not finish".to_owned(), |outcome| {
                    format!("ended as {}", outcome.name().replace('_', " "))
                });
                let (id, name, version) = (&record.id, &record.certificate, &record.version);
                printer.aside(&format!("resuming rollout {id} of {name} {version}, which {how}"));
            }
            News::WindowOverridden { served_until } => {
                let until = served_until.strftime("%Y-%m-%d %H:%M:%SZ");
                printer.remark(&format!(
                    "note: outside of every window, but what is served expires on {until}: it goes ahead"
                ));
            }
            News::Issuing { issuer, progress } => self.timed("issuing", &issuing(issuer, progress)),
            News::IssuerFailed { issuer, reason } => {
                self.timed("issuer.failed", &format!("{issuer}: {reason}"))
            }
            News::Issued { name, version, not_after, issuer, read } => {
                let (done, by) = if *read { ("read", "from") } else { ("issued", "by") };
                let until = day(not_after);
                let text = format!("{done} {name} {version}, valid until {until}, {by} {issuer}");
                self.timed("certificate.issued", &text);
            }
        }
    }

    fn observer(&self, rollout: &OperationId, plan: &Plan) -> Box<dyn Observer> {
        self.printer.observer(rollout, plan)
    }
}

fn issuing(issuer: &str, progress: &acme::Progress) -> String {
    match progress {
        acme::Progress::Ordered { url } => format!("ordered from {issuer}: {url}"),
        acme::Progress::TakenUp { url } => {
            format!("an order that was not brought to its end is taken up again: {url}")
        }
        acme::Progress::Abandoned { url, reason } => {
            format!("an order of an earlier try came to nothing, another is placed ({url}: {reason})")
        }
        acme::Progress::Answered { domain } => {
            format!("Challenge for {domain} is in place; waiting for the CA.")
        }
        acme::Progress::Finalizing => "challenges are accepted, the certificate is being signed".to_owned(),
    }
}

impl Terminal {
    /// A line with its time for people, an object for programs.
    fn timed(&self, event: &str, text: &str) {
        let news = TimedNews { time: Timestamp::now(), event, text };
        self.printer.show_objects(&news);
        self.printer.aside(&news.text(false));
    }

    /// Asks; only `yes` goes ahead.
    async fn ask(&self, question: String) -> Result<bool, Unanswered> {
        if !std::io::stderr().is_terminal() || !std::io::stdin().is_terminal() {
            return Err(Unanswered::Nobody);
        }
        let lost = |error: std::io::Error| Unanswered::Lost(error.to_string());
        let mut stderr = std::io::stderr();
        write!(stderr, "{}: ", for_terminal(&question)).and_then(|()| stderr.flush()).map_err(lost)?;
        // A thread of its own: reading cannot be stopped, and nobody must wait for it.
        let (tell, answer) = oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().lock().read_line(&mut line).map(|_| line);
            drop(tell.send(read));
        });
        let mut cancel = self.cancel.clone();
        let answer = tokio::select! {
            answer = answer => answer,
            Ok(_) = cancel.wait_for(|cancelled| *cancelled) => {
                drop(writeln!(stderr));
                return Err(Unanswered::Interrupted);
            }
        };
        let line = answer.map_err(|error| Unanswered::Lost(error.to_string()))?.map_err(lost)?;
        Ok(line.trim() == "yes")
    }
}

impl Confirm for Terminal {
    fn is_automatic(&self) -> bool {
        self.yes
    }

    fn confirm<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<bool, Unanswered>> {
        let change = |what: String| format!("{what}? Type `yes` to continue");
        let question = match question {
            Question::RollOut { hosts } => change(format!("roll out to {}", count(*hosts, "host"))),
            Question::PutBack { hosts } => change(format!("put {} back", count(*hosts, "host"))),
            Question::Revoke { name, version } => change(format!("revoke {name} {version}")),
            Question::Resume { .. } => "Type `yes` to resume it; anything else begins a new one".to_owned(),
        };
        Box::pin(async move { if self.yes { Ok(true) } else { self.ask(question).await } })
    }
}
