//! What somebody asked for that ends a rollout before its time.

/// What stands of all that was asked for. Each one wins over those before it, whichever was asked for first.
///
/// A pause that meets an abort is dropped: there is nothing left that could be taken up later. Were it kept, an undo
/// that is aborted would end as paused, though a resume could do nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Hosts in flight are finished, and no other is begun. Whoever resumes the rollout takes it back.
    Pause {
        /// Who asked.
        by: String,
    },
    /// The wave fails and the fleet goes back. No resume takes it back.
    Abort {
        /// Who asked.
        by: String,
    },
    /// Hosts in flight are finished or rolled back, and no other is begun. A resume after the end takes it back.
    Cancel {
        /// Who asked to abort. That is only put off: once the rollout is resumed after its end, it goes back.
        abort: Option<String>,
    },
}

impl Stop {
    /// A cancel that nobody's abort waits behind.
    pub(super) const CANCEL: Self = Stop::Cancel { abort: None };

    /// What stands when this is asked for, too.
    #[must_use]
    pub(super) fn after(self, standing: Option<Self>) -> Self {
        match (standing, self) {
            (Some(Stop::Cancel { .. }), Stop::Abort { by })
            | (Some(Stop::Abort { by }), Stop::Cancel { .. }) => Stop::Cancel { abort: Some(by) },
            (Some(cancel @ Stop::Cancel { .. }), _) => cancel,
            (Some(abort @ Stop::Abort { .. }), Stop::Pause { .. }) => abort,
            (_, asked) => asked,
        }
    }

    /// What stands when the rollout is taken up, `reopened` where it had ended.
    pub(super) fn resumed(self, reopened: bool) -> Option<Self> {
        match self {
            Stop::Pause { .. } => None,
            Stop::Cancel { abort } if reopened => abort.map(|by| Stop::Abort { by }),
            Stop::Abort { .. } | Stop::Cancel { .. } => Some(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_one_stands_whichever_comes_first() {
        let by = || "ann".to_owned();
        let put_off = Stop::Cancel { abort: Some(by()) };
        let [pause, abort] = [Stop::Pause { by: by() }, Stop::Abort { by: by() }];
        let cases = [
            (&pause, &abort, &abort),
            (&pause, &Stop::CANCEL, &Stop::CANCEL),
            (&abort, &Stop::CANCEL, &put_off),
            (&pause, &put_off, &put_off),
        ];
        for (first, second, stands) in cases {
            assert_eq!(second.clone().after(Some(first.clone())), *stands);
            assert_eq!(first.clone().after(Some(second.clone())), *stands);
        }
        assert_eq!(Stop::CANCEL.after(Some(put_off.clone())), put_off);
        assert_eq!(put_off.clone().resumed(false), Some(put_off.clone()));
        assert_eq!(put_off.resumed(true), Some(abort));
        assert_eq!(pause.resumed(false), None);
    }
}
